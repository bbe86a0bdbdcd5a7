/// What a person types to have a volume outlive its PVC.
#[must_use]
pub fn retain_by_hand(volume: &str) -> String {
    format!(r#"kubectl patch pv {volume} -p '{{"spec":{{"persistentVolumeReclaimPolicy":"Retain"}}}}'"#)
}
