//! The hooks that an upgrade runs.

use portolan_model::{ApplyMethod, Code, Finding, HookDeletePolicy, HookEvent, Object};

/// A hook that an upgrade runs.
#[derive(Clone, Debug)]
pub(super) struct Hook {
    pub(super) object: Object,
    /// Whether it runs before the manifest is applied.
    pub(super) is_before: bool,
    /// Whether it runs after that, perhaps once more.
    pub(super) is_after: bool,
    /// Hooks with a lower weight run first.
    weight: i64,
    /// Whether helm deletes an object of this name before it makes it.
    pub(super) is_deleted_first: bool,
    /// Whether helm deletes it once all hooks of its event are done.
    pub(super) is_deleted_after: bool,
}

impl Hook {
    /// Whether this hook has run when the other one does.
    pub(super) fn is_run_before(&self, other: &Self) -> bool {
        let place = |hook: &Self| (!hook.is_before, hook.weight);
        place(self) < place(other) && !(self.is_deleted_after && self.is_before && !other.is_before)
    }
}

/// The hooks of an upgrade's two events.
pub(super) fn executed(hooks: &[Object]) -> Vec<Hook> {
    let of_upgrade = hooks.iter().filter_map(crate::hooks::read).filter(crate::hooks::Hook::runs_in_upgrade);
    let one = |hook: crate::hooks::Hook<'_>| Hook {
        object: hook.object.clone(),
        is_before: hook.is_at(HookEvent::PreUpgrade),
        is_after: hook.is_at(HookEvent::PostUpgrade),
        weight: hook.weight,
        is_deleted_first: hook.delete.contains(&HookDeletePolicy::BeforeHookCreation),
        is_deleted_after: hook.is_deleted_after(),
    };
    of_upgrade.map(one).collect()
}

/// Hooks with `generateName` that helm would delete: it looks for them by a name that they do not have, and fails ("resource name may not
/// be empty": `deleteHookByPolicy` in `pkg/action/hooks.go`, helm 3.14.4 to 4.3.1). Where it applies on the server side, it does not create
/// them either: an apply is a patch of a name (`pkg/kube/client.go`, helm 4.3.1).
pub(super) fn nameless(hooks: &[Hook], apply: ApplyMethod) -> impl Iterator<Item = Finding> {
    hooks.iter().filter(|hook| hook.object.name().is_none()).filter_map(move |hook| {
        let name = crate::hooks::read(&hook.object)?.name()?;
        let (found, next) = if apply == ApplyMethod::Server {
            ("helm applies the hook on the server by its name", "give the hook a name, or disable it in the values")
        } else if hook.is_deleted_first || hook.is_deleted_after {
            let next = "give the hook a name, or helm.sh/hook-delete-policy: hook-failed; or disable it in the values";
            ("helm deletes the hook by its name", next)
        } else {
            return None;
        };
        let finding = Finding::blocking(Code::ServerRefuses, format!("{found}, and {name} has none"));
        let finding = finding.about(&name).at("/metadata/generateName");
        Some(finding.why("helm fails when it comes to the hook, with the release half upgraded").next(next))
    })
}
