//! Addresses and ports of Services.

use super::*;

#[test]
fn a_fixed_address_or_port_must_be_free() {
    let list = |services: &str| CheckAnswer::Found(docs(services));
    let taken = || invalid("FieldValueInvalid", "spec.ports[0].nodePort", "provided port is already allocated");
    let (fixed, held) = (service("a", "clusterIP: 10.0.0.7"), service("b", "clusterIP: 10.0.0.7"));
    let address = |held: &str, deletes: &[&str]| {
        Case::new("", "", &fixed).deletes(deletes).answers("list", "Service", list(held)).found()
    };
    assert_eq!(address(&held, &[]), blocks(Code::ServerRefuses, "Service/n/a", "/spec/clusterIP"));
    assert_eq!(address(&held, &["Service/n/b"]), []);
    assert_eq!(address("", &[]), []);
    let (fixed, held) = (service("a", NODE), service("b", NODE));
    let port = |held: &str, deletes: &[&str]| {
        Case::new("", "", &fixed)
            .deletes(deletes)
            .answers("list", "Service", list(held))
            .answers("create", "Service/n/a", taken())
            .run()
            .1
    };
    let found = port(&held, &[]);
    assert_eq!((found[0].code, found[0].field()), (Code::ServerRefuses, Some("/spec/ports/0/nodePort")));
    assert_eq!(found[0].evidence, ["taken by Service b in namespace n"]);
    assert_eq!(port(&held, &["Service/n/b"]), []);
    // The Service itself is deleted and made again with its own port.
    assert_eq!(port(&service("a", NODE), &["Service/n/a"]), []);
}

#[test]
fn two_services_cannot_have_one_number() {
    let node =
        |name: &str, port: u16| service(name, &format!("type: NodePort, ports: [{{port: 80, nodePort: {port}}}]"));
    let of = |planned: &str| Case::new("", "", planned).found();
    let port = "/spec/ports/0/nodePort";
    assert_eq!(of(&(node("a", 30001) + &node("b", 30001))), blocks(Code::ServerRefuses, "Service/n/b", port));
    assert_eq!(of(&(node("a", 30001) + &node("b", 30002))), []);
    let ip = |name: &str, last: u8| service(name, &format!("clusterIP: 10.0.0.{last}"));
    assert_eq!(of(&(ip("a", 7) + &ip("b", 7))), blocks(Code::ServerRefuses, "Service/n/b", "/spec/clusterIP"));
    assert_eq!(of(&(ip("a", 7) + &ip("b", 8))), []);
    // One number for two protocols of one Service.
    let both = "type: NodePort, ports: [{port: 53, protocol: UDP, nodePort: 30053}, {port: 53, protocol: TCP, nodePort: 30053}]";
    assert_eq!(of(&service("a", both)), []);
}

#[test]
fn a_port_out_of_range_is_found_unless_the_server_has_another_range() {
    let node =
        |name: &str, port: u16| service(name, &format!("type: NodePort, ports: [{{port: 80, nodePort: {port}}}]"));
    let of = |live: &str, port: u16| {
        Case::new("", "", &node("a", port)).answers("list", "Service", CheckAnswer::Found(docs(live))).found()
    };
    assert_eq!(of("", 8080), blocks(Code::ServerRefuses, "Service/n/a", "/spec/ports/0/nodePort"));
    assert_eq!(of(&node("b", 30001), 32768), blocks(Code::ServerRefuses, "Service/n/a", "/spec/ports/0/nodePort"));
    assert_eq!(of(&node("b", 8081), 8080), []);
    assert_eq!(of("", 30000), []);
}

#[test]
fn a_port_that_is_given_up_first_is_free() {
    let node = |name: &str| service(name, "type: NodePort, ports: [{port: 80, nodePort: 30001}]");
    let plain = |name: &str| service(name, "ports: [{port: 80}]");
    let live = |text: &str| text.replacen("metadata: {", &format!("metadata: {{{MARKS}, "), 1);
    let moves = |from: &'static str, to: &'static str| {
        let in_order = |with: &str| if with == "a" { node("a") + &plain("b") } else { plain("a") + &node("b") };
        let today = live(&node(from)) + &live(&plain(to));
        let taken = invalid("FieldValueInvalid", "spec.ports[0].nodePort", "provided port is already allocated");
        let target: &'static str = if to == "a" { "Service/n/a" } else { "Service/n/b" };
        Case::new(&in_order(from), &today, &in_order(to)).answers("patch", target, taken).found()
    };
    assert_eq!(moves("a", "b"), []);
    assert_eq!(moves("b", "a"), blocks(Code::ServerRefuses, "Service/n/a", "/spec/ports/0/nodePort"));
}

#[test]
fn a_headless_service_stays_headless() {
    let (headless, plain) = (service("a", "clusterIP: None"), service("a", "ports: [{port: 80}]"));
    let live = |text: &str| text.replacen("metadata: {", &format!("metadata: {{{MARKS}, "), 1);
    let found = |stored: &str, planned: &str| Case::new(stored, &live(stored), planned).found();
    let warns = vec![(Code::LeftOut, Severity::Warning, "Service/n/a".to_owned(), "/spec/clusterIP".to_owned())];
    assert_eq!(found(&headless, &plain), warns);
    assert_eq!(found(&headless, &headless), []);
    assert_eq!(found(&plain, &plain), []);
    let deleted = Case::new(&headless, &live(&headless), &plain).deletes(&["Service/n/a"]);
    assert_eq!(deleted.found(), []);
}
