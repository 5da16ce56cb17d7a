//! Two groups that talk over a loopback interface of their own: what both exchanged is what it carried.

use std::fs;

use crate::{
    checked::check,
    harness::{Batch, Interface, eventually},
    lab::{Lab, PATIENCE, lab},
    machine::machine,
};

/// What is sent.
const PAYLOAD: u64 = 16 << 16;

/// Bytes of the IP and TCP headers of a segment with a timestamp, which each has.
const HEADERS: u64 = 20 + 32;

/// What the headers of a segment that opens a connection are longer by: its options take 40 bytes, not 32 less 20.
const MORE_TO_OPEN: u64 = 8;

#[test]
fn what_two_groups_exchange_is_what_their_interface_carried() {
    if is_counted() {
        is_counted_by_socket(&lab());
    } else {
        is_told_by_the_interface(&lab());
    }
}

#[test]
fn a_connection_is_counted_on_both_ends_where_sockets_have_a_cgroup() {
    let tells = is_counted();
    let lab = lab();
    all_has_passed();
    eventually(PATIENCE, "the connection is told", || {
        let batch = lab.agent.next_batch();
        let of = |name| {
            let entry = lab.entry(&batch, name);
            ["tcp_connects", "tcp_accepts", "tcp_failures"].map(|field| entry.network(field))
        };
        let told = (of("asking"), of("serving"));
        let wanted = if tells {
            ([Some(1), Some(0), Some(0)], [Some(0), Some(1), Some(0)])
        } else {
            ([None; 3], [None; 3])
        };
        let facts = format!("asking, serving: {told:?}");
        (told == wanted).then(|| println!("{facts}")).ok_or(facts)
    });
}

/// Whether the programs on packets count; they do where the unified hierarchy is mounted.
fn is_counted() -> bool {
    let is_counted = check().is_attached("network_ingress");
    let has_programs = check().is_attached("sched_switch");
    assert_eq!(is_counted, machine().has_unified() && has_programs);
    is_counted
}

fn is_counted_by_socket(lab: &Lab) {
    all_has_passed();
    eventually(PATIENCE, "both say the same", || {
        let before = carried(lab);
        let batch = lab.agent.next_batch();
        let after = carried(lab);
        let (asking, serving) = (of(lab, &batch, "asking"), of(lab, &batch, "serving"));
        let facts = format!("lo: {after:?}, asking: {asking:?}, serving: {serving:?}");
        let tx_packets = asking.tx_packets + serving.tx_packets;
        // What travels as one and is counted as many has headers for each.
        let merged = tx_packets.checked_sub(after.tx_packets);
        let tx_bytes = merged
            .map(|merged| (asking.tx_bytes + serving.tx_bytes).saturating_sub(merged * HEADERS));
        let is_same = before == after
            && tx_bytes == Some(after.tx_bytes)
            && (asking.rx_bytes, asking.rx_packets) == (serving.tx_bytes, serving.tx_packets)
            && (serving.rx_bytes, serving.rx_packets) == (asking.tx_bytes, asking.tx_packets);
        if !is_same {
            return Err(facts);
        }
        println!("{facts}, merged: {merged:?}");
        Ok(())
    });
    let batch = lab.agent.next_batch();
    let resent = resent(lab);
    println!("segments sent again: {resent}");
    for (name, payload) in [("asking", PAYLOAD), ("serving", 0)] {
        let told = of(lab, &batch, name);
        let bytes = payload + told.tx_packets * HEADERS + MORE_TO_OPEN;
        // What a slow machine sends again has its payload once more, and the answer more options.
        assert!(told.tx_bytes == bytes || resent > 0, "{name}: {told:?}");
    }
}

/// Without the unified hierarchy no socket has a cgroup: the namespace's interface stands in, at the group that is told
/// to speak for it.
fn is_told_by_the_interface(lab: &Lab) {
    all_has_passed();
    eventually(PATIENCE, "the interface is told", || {
        let before = carried(lab);
        let batch = lab.agent.next_batch();
        let told: Vec<u64> = ["asking", "serving"]
            .into_iter()
            .filter_map(|name| lab.entry(&batch, name).network_with("rx_bytes", "loopback"))
            .collect();
        let facts = format!("lo: {before:?}, told: {told:?}");
        let is_same = before == carried(lab) && told == [before.rx_bytes];
        is_same.then(|| println!("{facts}")).ok_or(facts)
    });
}

/// Waits until the server has received everything.
#[track_caller]
fn all_has_passed() {
    let lab = lab();
    lab.rests();
    eventually(PATIENCE, "everything is received", || {
        let received = fs::metadata("/tmp/received").map_or(0, |file| file.len());
        (received == PAYLOAD).then_some(()).ok_or(received)
    });
}

/// What the loopback interface of the groups' namespace carried.
fn carried(lab: &Lab) -> Interface {
    Interface::of(&inside(lab), "lo")
}

/// TCP segments that were sent again in the groups' namespace.
fn resent(lab: &Lab) -> u64 {
    let table = fs::read_to_string(format!("/proc/{}/net/snmp", inside(lab))).unwrap();
    let mut lines = table.lines().filter_map(|line| line.strip_prefix("Tcp: "));
    let (names, values) = lines.next().zip(lines.next()).expect("a table of TCP");
    let mut both = names.split(' ').zip(values.split(' '));
    let (_, value) = both
        .find(|(name, _)| *name == "RetransSegs")
        .expect("a counter");
    value.parse().unwrap()
}

fn inside(lab: &Lab) -> String {
    lab.group("serving").process().expect("it runs")
}

fn of(lab: &Lab, batch: &Batch, name: &str) -> Interface {
    let entry = lab.entry(batch, name);
    let total = |field| entry.network_with(field, "loopback").unwrap_or_default();
    Interface {
        rx_bytes: total("rx_bytes"),
        rx_packets: total("rx_packets"),
        tx_bytes: total("tx_bytes"),
        tx_packets: total("tx_packets"),
    }
}
