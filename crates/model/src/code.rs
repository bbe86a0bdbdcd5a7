use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// How a command ends. One table for all commands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// Done, or nothing to do.
    Done = 0,
    /// An error of the tool or the cluster.
    Error = 1,
    /// `plan --detailed-exitcode`: there is something to do.
    Changes = 2,
    /// Blocked, or not Safe, or a verification failed.
    Blocked = 3,
    /// Nothing was written.
    NothingWritten = 10,
    /// Stopped at a safe point, with writes before it; applying the run goes on.
    StoppedSafely = 11,
    /// A person has to decide.
    NeedsPerson = 13,
    /// Somebody else holds the release.
    Held = 20,
    /// The command line is wrong.
    Usage = 64,
}

impl Exit {
    /// Every exit code with its meaning, as help and docs print it.
    pub const TABLE: [(Self, &'static str); 9] = [
        (Self::Done, "done, or nothing to do"),
        (Self::Error, "an error of the tool or the cluster"),
        (Self::Changes, "plan --detailed-exitcode: there is something to do"),
        (Self::Blocked, "refused: blocked or not Safe; or a verification failed"),
        (Self::NothingWritten, "ended before the first write; nothing was written"),
        (Self::StoppedSafely, "stopped half-way at a safe point, after writes; portolan apply RUN goes on"),
        (Self::NeedsPerson, "a person has to decide; the message says what"),
        (Self::Held, "somebody else holds the release"),
        (Self::Usage, "the command line is wrong"),
    ];
}

/// For what `--accept` takes a code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Acceptance {
    /// It cannot be accepted.
    Never,
    /// All findings of the code at once: `--accept PL231`.
    Whole,
    /// The findings about one volume: `--accept PL255=PVC`. The volume's verdict stays Unknown in the output.
    PerVolume,
}

macro_rules! codes {
    ($($name:ident = $number:literal, $exit:ident, $title:literal, $why:literal, $next:literal;)*) => {
        /// A stable code of something that is wrong. `docs/errors.md` and the pages in `docs/errors` are made from this table.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Code { $(#[doc = $title] $name = $number),* }

        impl Code {
            /// Every code, in order.
            pub const ALL: &'static [Self] = &[$(Self::$name),*];

            /// What was found, in general.
            #[must_use]
            pub fn title(self) -> &'static str { match self { $(Self::$name => $title),* } }

            /// Why it matters.
            #[must_use]
            pub fn why(self) -> &'static str { match self { $(Self::$name => $why),* } }

            /// What to do next, in general; a finding may say it better.
            #[must_use]
            pub fn next(self) -> &'static str { match self { $(Self::$name => $next),* } }

            /// The exit code of a command that ends with it.
            #[must_use]
            pub fn exit(self) -> Exit { match self { $(Self::$name => Exit::$exit),* } }
        }
    };
}

codes! {
    NoKubeconfig = 101, NothingWritten, "no kubeconfig",
        "without it there is no cluster to look at", "set KUBECONFIG or pass --kubeconfig FILE, or try --sim openshift-2.8";
    Unreachable = 102, NothingWritten, "the API server cannot be reached",
        "nothing can be said about an installation that cannot be read", "check the server's address and your network, then run it again";
    Unauthorized = 103, NothingWritten, "the API server does not accept this user",
        "the credentials are missing, expired or not allowed here", "log in again (oc login, or your cluster's way), then run it again";
    NoRelease = 104, NothingWritten, "there is no such release",
        "an upgrade of a release that is not there would be a fresh installation with an empty database", "check --release and --namespace; `helm list -A -a` shows what is installed";
    NoHelm = 105, NothingWritten, "no helm on this machine",
        "helm renders the chart and carries out the upgrade", "install helm 3.14 or later, or pass --helm FILE";
    OldHelm = 106, NothingWritten, "this helm is too old",
        "the upgrade needs --reset-then-reuse-values, which helm has since 3.14", "install helm 3.14 or later, or pass --helm FILE";
    NoSimulation = 107, Usage, "there is no such simulated installation",
        "a simulated installation is one of those that Portolan brings along, or a folder made by `portolan sim new`", "portolan sim list";
    StateFolder = 108, NothingWritten, "the run's folder cannot be used",
        "every write is recorded there before it is sent", "check the folder's permissions and free space";
    CannotWrite = 109, Error, "a result cannot be written",
        "what the command found, or the file that was asked for, is not kept", "check the path, its permissions and the free space, then run it again";
    NoChart = 110, NothingWritten, "no chart to upgrade to",
        "the plan contains the chart that helm applies", "pass --chart FILE, --chart FOLDER or --repo URL";
    BadValues = 111, Usage, "the values are not usable",
        "helm would refuse them, or read something else than was meant", "correct the file or the --set at the place named";
    BadRecipe = 112, Usage, "a recipe is not usable",
        "what a version asks for is written there", "correct the file at the place named";
    BadOption = 113, Usage, "an option is not usable",
        "Portolan does not guess what was meant; nothing was done", "see the command's --help";
    NotForReal = 114, Usage, "this command is for simulated installations only",
        "it carries out commands that are known to lose data", "add --sim openshift-2.8";
    Downgrade = 201, Blocked, "the target is lower than what is installed",
        "migrations of the database are not undone by an older chart", "choose a version above the installed one";
    NoTarget = 202, Blocked, "there is no such version among the charts",
        "a plan is made for one exact chart", "choose one of the versions listed, or pass --chart";
    NoStorageClass = 203, Blocked, "no default storage class for the new PVCs",
        "the new PVCs would stay Pending while helm says deployed", "mark a class as default, or set the chart's storageClass value";
    NotDeployed = 204, NeedsPerson, "the release is not in the state deployed",
        "a helm process is running, or was interrupted: helm refuses to upgrade while the newest record is pending", "wait for it; `helm history` shows how it came to this";
    ChartRefuses = 205, Blocked, "the chart does not render with these values",
        "helm would refuse it in the same way, after the preparations were done", "mend the values as the message says";
    NotRecorded = 206, Blocked, "this rendering was not recorded and no helm is here to make it",
        "a simulated installation brings the renderings of the usual values; others need a helm", "install helm 3.14 or later, or leave out --via, --set, -f and --chart";
    OtherDriver = 207, Blocked, "the release is kept in ConfigMaps",
        "the helm that carries out an upgrade keeps its records in Secrets: it would find no release there", "upgrade by hand with HELM_DRIVER=configmap, or move the records into Secrets first";
    NoCredentials = 208, Blocked, "the database's password cannot be found",
        "the data directory keeps the password it was made with; another one locks everybody out", "put the Secret back, or name its key in the recipe";
    BadPlan = 209, Error, "the plan violates a safety rule",
        "a plan that deletes storage, or deletes what it did not archive, is never carried out", "report it with the recipe that made it";
    NotVisible = 210, Blocked, "this user may not read what the plan relies on",
        "what is not seen cannot be called safe", "ask for the rights named";
    RepositoryUnreachable = 211, NothingWritten, "the chart repository does not answer",
        "the chart is fetched from it", "check the address, the network and the proxy, or pass an archive with --chart";
    RepositoryDenied = 212, NothingWritten, "the chart repository turns this login away",
        "what is there is shown to known users only", "pass --username NAME --password-stdin, or log in with helm repo add or helm registry login";
    NotInRepository = 213, NothingWritten, "the chart repository has no such chart",
        "the product's charts are looked for by their names", "check the address; helm repo add and helm search repo show what is in it";
    BadIndex = 214, NothingWritten, "what the chart repository answers is no index of charts",
        "a login page or a proxy's message can stand in its place", "look at the address with curl";
    OtherChart = 215, Blocked, "the archive is not the chart that the repository says it is",
        "helm would install something else than was chosen", "tell whoever keeps the repository";
    OtherArchive = 216, Blocked, "the archive is not the one that the repository's index was made of",
        "it was exchanged, or damaged on the way", "tell whoever keeps the repository; do not install it";
    OtherRepository = 217, NothingWritten, "helm knows another address under the repository's usual name",
        "the page's commands fetch from that one, and helm repo add does not change it", "compare with helm repo list";
    ValuesHeading = 218, Done, "values hold the heading of helm get values",
        "helm keeps it as a key without a value in every later revision, and a chart whose schema allows no other keys then refuses the upgrade", "save values with `helm get values RELEASE -o yaml`, which prints no heading";
    ValuesCut = 219, Done, "values are stored as `--set` cut them",
        "`--set` takes a dot for the end of a key and fills a list with null: nothing reads what was meant, and every later upgrade carries it on",
        "give what was meant in a values file, or with a backslash before each dot of a key";
    OtherMajor = 221, Blocked, "the new server is of another major version than the data",
        "PostgreSQL refuses a data directory that another major version wrote", "stay on the old major version in this upgrade; change it apart from it, with pg_upgrade or with a dump that is restored";
    OtherDataDirectory = 222, Blocked, "the new server looks for its data in another place",
        "it makes a new, empty data directory there and starts on it; the old one lies unused", "give the chart the subPath, mountPath and PGDATA of today";
    OtherUser = 223, Blocked, "the new server runs as another user than the one that owns the data",
        "PostgreSQL does not start on a data directory that its user does not own; fsGroup changes the group of files, not their owner", "give the chart the user id of today, or an init container that hands the data over";
    MayNotOpen = 224, Blocked, "whether the new server opens the data is not known",
        "a volume that is Safe under a server that cannot open it is an outage", "find out what is named, before the upgrade";
    ValuesDropped = 231, Blocked, "values that are set today are not taken over",
        "the new chart has another layout of values: what it is not given has its default", "portolan values --answers FILE asks what becomes of each; or give them in the new layout with --set or -f; or accept: --accept PL231 --reason TEXT";
    NotThere = 232, Blocked, "an object that has to be there is not",
        "the new version uses it, and people make it themselves", "make it, then plan again, or accept: --accept PL232 --reason TEXT";
    LongJump = 233, Blocked, "the upgrade goes up more versions at once than the vendor advises",
        "the vendor may not have tried this upgrade, and what it does on the way may be new to everybody", "go up in smaller hops with --via";
    OtherPlatform = 234, Blocked, "the platform is not one that this version is made for",
        "the vendor did not try it there", "where the platform is older, upgrade it or stop at an earlier version; where it is newer, go on to a version that is made for it";
    OtherHost = 235, Blocked, "the platform is not reached under its usual host",
        "clusters and logins know it by the host that it has today", "the plan keeps the host of today; give another with --set";
    ClaimGone = 236, Blocked, "a PVC that a workload names is not there, or has lost its volume",
        "the workload would start on nothing, or on something new and empty", "find out what became of the PVC and its volume before anybody creates or binds one";
    MayNotWrite = 237, NothingWritten, "this user may not write what the plan writes",
        "the upgrade would stop half-way, and half-way is the worst place", "ask for the rights named, or let somebody apply the plan who has them";
    DeletedWith = 241, Blocked, "a volume is deleted with another object that the upgrade deletes",
        "keep on the PVC does not stop it: a deleted namespace, CRD or owner takes everything below it along", "keep that object in the new chart";
    HookReachesStorage = 242, Blocked, "a hook can delete or change storage",
        "Portolan does not model what a hook's program does", "read what the hook does; disable it, or accept it for each volume: --accept PL242=PVC --reason TEXT";
    HookNeedsStopped = 243, Blocked, "a hook needs something that the plan has deleted or stopped by then",
        "helm waits for the hook and fails half-way, with the database down", "disable the hook in the values, or run its job by hand before the upgrade";
    ForeignOwner = 244, Blocked, "an object of the new chart exists and does not belong to the release",
        "helm refuses the upgrade when it finds it, after the preparations were done", "give the chart's object another name, or switch it off in the values";
    ServerRefuses = 245, Blocked, "the API server refuses an object of the new chart",
        "helm would fail half-way in the same way", "change the value that sets the field named, then plan again";
    MissingReference = 246, Blocked, "the new chart refers to an object that does not exist",
        "the new pods would never start, after the old ones are gone", "create the object named, then plan again";
    FieldConflict = 247, Blocked, "another field manager owns a field that the new chart sets",
        "helm 4 applies on the server side and fails half-way at a conflict", "give the chart the live value, or run the upgrade with helm 3";
    RecordTooLarge = 248, Blocked, "the release record would be larger than the API server accepts",
        "helm fails after the preparations, when it stores the record in a Secret of at most 1 MiB", "make the values or the chart smaller";
    KeyChanges = 249, Blocked, "a key, or what a program keeps in a Secret or ConfigMap, becomes another",
        "what was encrypted or signed with the old key cannot be read with the new one", "give the chart the key of today, or accept: --accept PL249 --reason TEXT";
    WithoutEffect = 251, Blocked, "a value that is set today has no effect in the new chart",
        "the setting is lost without a message", "give it under its new name with --set or -f, or accept: --accept PL251 --reason TEXT";
    RendersOtherwise = 252, Blocked, "a value renders as other text than was set",
        "helm prints large numbers in scientific notation, which is another port, tag or user ID", "give it as a string: --set-string or quotes in the values file, or accept: --accept PL252 --reason TEXT";
    NotReadyBefore = 253, Blocked, "a workload is not ready before the upgrade, is paused or is being deleted",
        "an ordered StatefulSet does not replace a pod that is not ready, and a paused Deployment replaces none, so the new version never starts", "repair or resume the workload first, or accept: --accept PL253 --reason TEXT";
    NotChecked = 254, Done, "an object was not checked by the API server",
        "what the server would refuse is then found by helm, half-way", "see the reason; apply asks once more";
    NotModelled = 255, Blocked, "something that Portolan does not model can reach a volume",
        "what becomes of the volume is Unknown", "see what is named, or accept it for each volume: --accept PL255=PVC --reason TEXT";
    OtherPlace = 256, Blocked, "the new version looks for its data in another place",
        "it starts on an empty folder; the old data lies unused", "give the chart the mountPath, subPath and data directory of today";
    KeepRemoved = 257, Done, "the upgrade removes helm.sh/resource-policy: keep from a PVC",
        "a later helm upgrade or uninstall may delete the PVC", "after the upgrade: kubectl annotate pvc NAME helm.sh/resource-policy=keep";
    LeftOut = 258, Blocked, "helm's patch leaves something out that the new chart says",
        "items of a list that share a key are merged into one, and helm says deployed all the same", "delete the object before the upgrade, so that helm makes it anew, or accept: --accept PL258 --reason TEXT";
    RolloutHangs = 259, Blocked, "a Deployment cannot replace its pods",
        "its new pod waits for a PVC that only one pod at a time may have, and the old one is kept until the new one is ready", "give the chart strategy.type: Recreate";
    NotForeseen = 260, Blocked, "a later hop looks up an object whose state after the earlier hop is not known",
        "what the chart renders from it may be something else than the plan shows", "stop at the version before with --to, and plan again from there; or accept: --accept PL260 --reason TEXT";
    NoNode = 261, Blocked, "no node takes a new pod",
        "the old pod is gone by then, and the new one stays Pending: the upgrade ends half-way, with the workload down", "change what the pod asks for in the values of the chart, or the nodes";
    NoNewVolume = 262, Blocked, "nothing makes a volume for a new PVC",
        "the PVC stays Pending, and its pods with it: the upgrade ends half-way", "name a storage class that makes volumes, or create a PV that fits";
    WaitTooShort = 263, Blocked, "new pods are not ready before the plan's wait ends",
        "the run halts while they start, although nothing is wrong with the data", "give the wait more time with --timeout ready=TIME, or change the chart's value";
    OtherSource = 264, Blocked, "data in a folder that a pod mounts from outside the cluster's storage may not be found",
        "the program does not find its data there, and may begin anew", "give the chart the volume of today, or copy the data there, with the pods stopped";
    NotExecutable = 265, Blocked, "a container runs a file of a ConfigMap or Secret that nobody may execute",
        "the new container does not start, after the old one is gone: the upgrade ends half-way", "give the volume the defaultMode of today (0755), or run the file by a shell";
    NewAdmission = 266, Blocked, "admission that comes with the upgrade may refuse or change what a store needs",
        "no dry run meets it, and a store whose pod is refused stays down with its data", "read its rules, or create it by itself first and plan again; or accept: --accept PL266 --reason TEXT";
    OperatorDeletes = 267, Blocked, "what an operator deletes with its custom resource is not known",
        "data behind a custom resource (a pool, a topic, a database of a cloud) can go with it, and no PVC shows it", "keep the custom resource or its policy as it is today, or find out what its operator does and accept it: --accept PL267 --reason TEXT";
    ReadOnlyRoot = 268, Done, "a program on the data may write to its mounts only from now on",
        "what it writes elsewhere (/tmp, /run, a home) it cannot write any more, and it may not start; its data stays as it is", "see that the new chart mounts something wherever the program writes, or switch it off in the values";
    SharedVolume = 270, Done, "a pod of somebody else mounts a volume of the release",
        "it may write to the data, and it holds the PVC while it runs", "find out what it is for; stop it before the upgrade if it writes";
    BecomesHook = 275, Blocked, "an object of the release becomes a hook and is then deleted by the same upgrade",
        "helm deletes what only the old manifest has, after the hooks made it anew", "take the hook annotation off in the chart, or give the hook helm.sh/resource-policy: keep";
    OtherDatabaseName = 276, Blocked, "a workload uses a database of another name",
        "the server makes or finds another database of that name, and the data of today lies unused beside it", "give the chart the name of today, or accept: --accept PL276 --reason TEXT";
    OtherServer = 277, Blocked, "the new version does not use the database server outside the cluster that is used today",
        "it starts on another database, or makes an empty one of its own", "give the chart the host, port, user and database of today under its own keys, or accept: --accept PL277 --reason TEXT";
    DatabaseOutside = 278, Blocked, "a database is outside the cluster, and no backup of it is named",
        "nothing that Portolan does guards it: a migration that goes wrong can be undone from a backup only", "make a backup and name it: --backup-of-database NAME, or accept: --accept PL278 --reason TEXT";
    NotLookedAt = 279, Done, "a database outside the cluster was not looked at",
        "whether its rows are the same after the upgrade is not checked", "compare it yourself before and after, or run Portolan where the server can be reached";
    MadeAgain = 280, Blocked, "an object that the upgrade deletes would be made again by somebody else",
        "helm then meets the old one half-way, with the database stopped", "let its owner give it up, or name a Secret of the site's own to the chart (existingSecret); then plan again";
    HostChanges = 281, Done, "the platform moves to another host, and its logins know the old one",
        "Keycloak and the identity providers send users back to the redirect URIs that they have", "after the upgrade, give the new host to what is named, in Keycloak's admin console and at each identity provider";
    Moved = 301, NothingWritten, "the installation is not as it was when the plan was made",
        "the plan relies on it", "make the plan again: portolan plan --to VERSION";
    OtherCluster = 302, NothingWritten, "the plan was made for another cluster",
        "names can be the same where the data is not", "choose the right context, or make the plan again";
    WriteRefused = 304, NeedsPerson, "the API server refused a write",
        "the step cannot be carried out as planned", "see what the server says, settle it, and run it again";
    HelmFailed = 305, NeedsPerson, "helm did not carry out the upgrade",
        "some objects may be of the new chart and some of the old one: helm creates and patches them first, and then deletes what the new chart leaves out", "remove the cause that helm names, then apply the same plan again";
    HelmPending = 306, NeedsPerson, "a release record is pending and no helm of this run holds it",
        "somebody else upgrades this release, or a helm was killed", "wait for that helm to end; the finding names the record";
    ManifestDiffers = 307, NeedsPerson, "helm stored something else than was planned",
        "what was rehearsed is not what was applied", "compare the objects named with helm get manifest; the release is upgraded, and portolan verify looks at its volumes and rows";
    TimedOut = 308, NeedsPerson, "what was waited for did not come in time",
        "the run does not go on without it", "see what holds it up; running it again waits again";
    Contended = 309, NeedsPerson, "an object changes whenever Portolan is about to write it",
        "somebody else writes to it", "find out who, then run it again";
    NoPlan = 310, Usage, "there is no such plan or run",
        "a plan is a file made by `portolan plan --out`, or the id of a run", "see which runs are kept: portolan status";
    BadJournal = 311, NeedsPerson, "the journal is damaged",
        "what was done is known from it alone", "keep the folder; compare the cluster with the archive in it";
    NotConfirmed = 312, NothingWritten, "not confirmed", "nothing is written without a yes", "type the release's name, or pass --yes";
    Held = 313, Held, "another run holds this release on this machine",
        "two runs would write to the same objects", "wait for it, or stop it; portolan status shows it";
    OtherObject = 314, NeedsPerson, "an object of the plan does not exist any more",
        "a plan is about one object, by its UID: under the same name there is another one, or none, so this plan cannot go on",
        "put back what the run deleted, then make another plan; the message says how";
    ReleaseMoved = 315, NeedsPerson, "the release was changed by somebody else",
        "the plan was made for the revision before", "helm history shows who did what; then make the plan again";
    FolderFailed = 316, NeedsPerson, "the run's folder cannot be written, after writes were sent",
        "every write is recorded there before it is sent, so the run does not go on; what it stopped may be down", "make room or mend the folder, then run the same command again";
    NoRunFits = 317, Error, "no run fits",
        "what is looked at has to be the run that was meant", "name the run, or give its --namespace and --release; see which runs are kept: portolan status";
    StoppedAfterWrites = 318, NeedsPerson, "the command ended early, in a run that has written before",
        "what the run stopped may be down until it goes on", "see the cause, then run the same command again";
    ChangedSince = 319, NeedsPerson, "somebody changed what the plan relies on, after the run had begun",
        "helm would do something else than was rehearsed", "see who changed it, and take it back";
    NotRestored = 320, NothingWritten, "an object cannot be put back",
        "Portolan creates what does not exist, and changes nothing that does", "see what is there, and restore the other objects by their names";
    VolumeDiffers = 401, Blocked, "a PVC is not on the volume that it was on",
        "the data lies on the old volume", "do not write to the new one; the old volume is named above";
    OtherDatabase = 402, Blocked, "this is not the same database",
        "a fresh data directory was made somewhere", "the old one is on the volume named in the plan";
    TablesLost = 403, Blocked, "tables are gone or have shrunk",
        "no recipe says that a migration does this", "compare with the baseline in the run's folder before anybody writes";
    NoDatabase = 404, Blocked, "the database does not answer",
        "nothing can be said about its rows", "look at the pod's log";
    PasswordRefused = 405, Blocked, "the database refuses the kept password",
        "the workloads cannot log in either", "the password that fits is in the run's archive";
    NotReady = 406, Blocked, "a workload is not ready", "the platform does not work without it", "look at its pods";
    StrangeClaim = 411, Blocked, "a PVC of the release is new and not in the plan",
        "new data may go to it while the old data lies on the old PVC", "see which pod mounts it, and which volume it is on, before anybody writes; delete nothing";
    RowsLost = 412, Blocked, "rows that were there are gone, though their table has not shrunk",
        "as many or more new rows hide that", "compare with a backup; where the application regularly deletes rows of this table, name it under may-change of a recipe";
    RouteDown = 413, Blocked, "a route does not lead to the platform",
        "nobody can log in through it", "look at the route's service and its pods, and at the router's log";
    RouteUnseen = 414, Done, "a route cannot be asked from here",
        "it may still answer where its users are", "open it from a machine that reaches the platform";
    NotAsSaved = 415, Blocked, "the installation is not as it was when the file was written",
        "what is named above has changed since", "find out who changed it before anybody writes";
    BadBaseline = 416, Usage, "this is no file of `portolan verify --save`",
        "there is nothing to compare with", "portolan verify --save FILE makes one, while all is well";
    DatabaseGone = 417, Blocked, "a database of the server is gone or cannot be opened",
        "its tables were there before", "look at the server's databases with psql before anybody writes; the run's journal has their tables";
    EmptyDatabase = 418, Blocked, "a database of the server is new and empty, beside one with the data",
        "the new version may use it in place of the one with the data", "see which database the new workload's settings name; give the chart the name of today";
    NotAsVerified = 419, Blocked, "what the run verified does not hold any more",
        "something changed it after the check", "see what is named; portolan verify looks at everything again";
    RunNotFinished = 420, Blocked, "the run is not finished",
        "what it stopped may be down until it goes on, and the checks are about its end", "portolan status says where it is; portolan apply with the run goes on";
    NotSafe = 501, Blocked, "the plan is not Safe",
        "in some order of events a volume is lost, or no longer used by its workload", "see the shortest way there; change the values or the chart so that the volume stays where it is";
    NeverFinishes = 502, Blocked, "the plan never reaches its end",
        "in every order of events it stops half-way", "see what is refused, and change the value that sets it";
    BundleUnreadable = 601, NothingWritten, "the bundle, or a part of it, cannot be read",
        "a damaged bundle is not pushed, not even in part", "compare the file's checksum with the vendor's, and transfer it again";
    BundleCutShort = 602, NothingWritten, "the bundle is cut short",
        "what is missing from its end is not known", "compare the file's size with the vendor's, and transfer it again";
    BundleOutside = 603, NothingWritten, "a path in the bundle leads outside of it",
        "a program that unpacks it would write to that place", "do not unpack it; ask the vendor about the entry named";
    BundleDuplicate = 604, NothingWritten, "two entries of the bundle have one name",
        "programs disagree on which of the two counts", "ask the vendor which one is meant";
    BundleTooLarge = 605, NothingWritten, "the bundle exceeds a limit of its reader",
        "an archive of a few bytes can expand to more than any disk holds", "ask the vendor about the part named";
    BundleDiffers = 606, NothingWritten, "a part of the bundle is not what it is listed as",
        "it was changed or damaged after the bundle was made", "compare the file's checksum with the vendor's, and transfer it again";
    LayerDiffers = 607, NothingWritten, "a layer does not match the configuration of its image",
        "a registry accepts such an image, and a node then fails to unpack it", "ask the vendor for a whole bundle";
    ImageUnnamed = 608, NothingWritten, "an image in the bundle has no name",
        "the chart asks for images by name", "give it one: --name DIGEST=REPOSITORY:TAG";
    BundleIncomplete = 609, NothingWritten, "the bundle refers to content that it does not have",
        "a registry refuses an image without all of its parts", "ask the vendor for a whole bundle";
    BundleUnrecognized = 610, NothingWritten, "the bundle has neither images nor charts",
        "there is nothing to push", "see what it has: portolan bundle inspect FILE";
    RegistryUnreachable = 621, NothingWritten, "the registry does not answer",
        "images and charts are pushed to it", "check the address, the network, the proxy and the CA (--ca-file); run the same command again: it goes on where it was";
    RegistryDenied = 622, NothingWritten, "the registry does not accept this login",
        "pushing needs the right to write", "log in with docker login or podman login to the same HOST:PORT, or pass --username NAME --password-stdin";
    RegistryRefused = 623, Error, "the registry refused a push",
        "the image or chart named is not complete there", "see what the registry says, settle it, and run the same command again: it goes on where it was";
    RegistryDiffers = 624, Error, "the registry holds something else than what was pushed",
        "nodes would pull that", "find out what stands between Portolan and the registry, then push again";
    ImageMissing = 631, Blocked, "the registry does not have an image of the new version",
        "its pods would not start, with the upgrade half done", "push it: portolan bundle push FILE --to REGISTRY, then make the plan again";
    ImageElsewhere = 632, Blocked, "an image comes from another registry",
        "a site without internet access cannot reach it, and its pods would not start", "give the chart the values that name the registry of the site, or accept it if nodes reach that registry or a mirror of it";
    ImagesNotChecked = 633, Blocked, "an image cannot be looked for",
        "what was not seen is not known to be there", "check the address, the network and the CA (--ca-file), or log in with docker login or podman login to the same HOST:PORT; then make the plan again";
    ImageReplaced = 634, Done, "a push gives another image a name that is in use",
        "pods that start from this name get the bundle's image", "see whether the one in the registry was built by the site; portolan bundle push replaces it";
    NoPullLogin = 635, Blocked, "pods have no login for the registry",
        "the registry wants one, and the nodes could not pull the images", "name a pull Secret with an entry for the registry in the values of the chart, or accept it where the nodes have a login of their own";
    MirrorForDigests = 636, Blocked, "a mirror set is for digests, and images are named by tags",
        "the nodes would pull them from their own registry, which a site without internet access cannot reach", "make the ImageTagMirrorSet that is named, or accept it if nodes reach the registry";
    CannotPull = 637, NothingWritten, "a node cannot pull an image",
        "pods that start there would not, with the upgrade half done", "see what the node says: the registry's address, its CA on the node, the pull Secret of the pods; then run the same command again";
    TrialStopped = 638, NothingWritten, "the trial of pulls has no result",
        "--prepull goes before the first write", "run the same command again, or leave out --prepull";
    TrialPodsLeft = 639, Done, "pods of a trial of pulls are left",
        "they run nothing, and hold their names", "kubectl delete pods -l portolan-prepull -n NAMESPACE";
    InstalledCannotPull = 640, Done, "a node cannot pull an image of the installed version",
        "a pod that starts there before helm has replaced it, or after a rollback, would not come up",
        "make the image available in the registry if pods may start on that node";
    CaUnknown = 641, Blocked, "a CA of the site's own is not known everywhere",
        "nodes that do not know it cannot pull, and pods that do not know it cannot call what it signed",
        "make the CA known in the place named, or accept it where that is done in another way";
}

impl Code {
    /// A code as it is written: `PL231`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|code| code.to_string().eq_ignore_ascii_case(text))
    }

    /// Whether a finding of this code can be accepted, and for what. What makes a volume Lost, Doomed or Detached never can.
    #[must_use]
    pub fn acceptance(self) -> Acceptance {
        match self {
            Self::ValuesDropped
            | Self::NotThere
            | Self::KeyChanges
            | Self::WithoutEffect
            | Self::RendersOtherwise
            | Self::OtherDatabaseName
            | Self::OtherServer
            | Self::DatabaseOutside
            | Self::NotReadyBefore
            | Self::LeftOut
            | Self::ImageElsewhere
            | Self::NoPullLogin
            | Self::CaUnknown
            | Self::MirrorForDigests
            | Self::NotForeseen
            | Self::NewAdmission
            | Self::OperatorDeletes
            | Self::NoNode
            | Self::NoNewVolume
            | Self::WaitTooShort
            | Self::OtherSource => Acceptance::Whole,
            Self::HookReachesStorage | Self::NotModelled => Acceptance::PerVolume,
            _ => Acceptance::Never,
        }
    }
}

impl Code {
    /// Whether a run that halted with it cannot go on: only another plan helps.
    #[must_use]
    pub fn ends_its_run(self) -> bool {
        matches!(self, Self::OtherObject | Self::ReleaseMoved)
    }

    /// Whether only the check of a plan's objects against the live cluster finds it, which follows the planner.
    #[must_use]
    pub fn is_found_live(self) -> bool {
        matches!(self, Self::NoNode | Self::NoNewVolume | Self::NewAdmission)
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PL{}", *self as u16)
    }
}

impl Serialize for Code {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Code {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| serde::de::Error::custom(format!("unknown code `{text}`")))
    }
}

impl JsonSchema for Code {
    fn schema_name() -> Cow<'static, str> {
        "Code".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "string", "description": "A stable code: docs/errors.md", "pattern": "^PL[0-9]{3}$"})
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_unique_and_survive_their_written_form() {
        let mut seen = std::collections::BTreeSet::new();
        for &code in Code::ALL {
            assert!(seen.insert(code as u16));
            let text = serde_json::to_string(&code).expect("a code is a string");
            assert_eq!(serde_json::from_str::<Code>(&text).expect("and reads back"), code);
            for words in [code.title(), code.why(), code.next()] {
                assert!(!words.is_empty() && !words.ends_with('.'));
            }
        }
    }
}
