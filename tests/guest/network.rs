//! What lies between the ends of a transfer: that it joins them, does what it is told, and is gone
//! afterwards, whatever happens.

use std::{
    collections::{BTreeMap, BTreeSet},
    env, fs,
    io::{Read, Write},
    net::TcpStream,
    process::{Child, Command, Stdio},
    thread,
    time::Duration,
};

use rustix::thread::{UnshareFlags, unshare_unsafe};
use zc::network::{Network, NetworkError, NicOptions, Path};

use crate::{
    features::{Features, features, in_namespace, namespaces, scatter_gather, set_scatter_gather},
    support::{processes_called, sh, wait_for},
    user::{Privilege, as_user},
};

/// The cards that `cargo xtask test` gives each guest, joined by a hub.
const CARDS: [&str; 2] = ["eth0", "eth1"];

const ALL: [Path; 3] = [Path::Loopback, Path::Veth, Path::Nic];

fn open(path: Path) -> Network {
    Network::open(path, &NicOptions::default()).unwrap()
}

fn error(path: Path, options: &NicOptions) -> NetworkError {
    Network::open(path, options).err().expect("no network")
}

/// What `ip link` shows of a device, and its features.
#[derive(Debug, PartialEq, Eq)]
struct Shown {
    settings: Vec<String>,
    features: Features,
}

/// Everything that a network could leave behind.
#[derive(Debug, PartialEq, Eq)]
struct State {
    devices: BTreeMap<String, Shown>,
    namespaces: BTreeSet<String>,
    guards: Vec<i32>,
}

fn state() -> State {
    let all = fs::read_dir("/sys/class/net").unwrap().flatten();
    let devices = all.map(|device| {
        let name = device.file_name().into_string().unwrap();
        let read = |what: &str| fs::read_to_string(device.path().join(what)).unwrap();
        let settings = ["ifindex", "flags", "mtu", "address", "tx_queue_len"].map(read).to_vec();
        let features = features(&name).unwrap();
        (name, Shown { settings, features })
    });
    State {
        devices: devices.collect(),
        namespaces: namespaces(),
        guards: processes_called("zc-network"),
    }
}

/// The state when nothing is left of the tests before: a thread that has ended is in its namespace for a
/// moment longer than it is waited for.
fn settled() -> State {
    wait_for("end of all other namespaces", || (namespaces().len() == 1).then_some(()));
    state()
}

/// Lets a card be switched on while this lives, as many an unused one is.
struct On(&'static str);

impl On {
    fn new(card: &'static str) -> Self {
        sh(&format!("ip link set {card} up"));
        Self(card)
    }
}

impl Drop for On {
    fn drop(&mut self) {
        sh(&format!("ip link set {} down", self.0));
    }
}

/// Sends so many bytes and receives them.
fn pass(mut from: &TcpStream, mut to: &TcpStream, bytes: usize) {
    let sent: Vec<u8> = (0..=250).cycle().take(bytes).collect();
    thread::scope(|scope| {
        scope.spawn(|| from.write_all(&sent).unwrap());
        let mut received = vec![0; bytes];
        to.read_exact(&mut received).unwrap();
        assert!(received == sent, "other bytes came than were sent");
    });
}

#[test]
fn bytes_pass_both_ways_on_every_path() {
    for path in ALL {
        let network = open(path);
        let (near, far) = network.connect(0).unwrap();
        pass(&near, &far, 1 << 20);
        pass(&far, &near, 1 << 20);
        // A port that the user chose, again and again.
        for _ in 0..2 {
            let (near, far) = network.connect(4711).unwrap();
            assert_eq!(far.local_addr().unwrap().port(), 4711);
            pass(&near, &far, 1000);
        }
        let (near, far) = network.udp().unwrap();
        let mut received = [0; 1000];
        for (from, to) in [(&near, &far), (&far, &near)] {
            to.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
            assert_eq!(from.send(&[7; 1000]).unwrap(), 1000);
            assert_eq!((to.recv(&mut received).unwrap(), received), (1000, [7; 1000]));
        }
    }
}

#[test]
fn facts_are_the_devices_own() {
    let facts = open(Path::Veth).facts();
    assert_eq!(
        (facts.sender.device.as_str(), facts.sender.driver.as_deref()),
        ("zc-sender", Some("veth"))
    );
    let said = fs::read_link("/sys/class/net/eth0/device/driver").unwrap();
    let driver = said.file_name().unwrap().to_str().unwrap();
    let facts = serde_json::to_value(open(Path::Nic).facts()).unwrap();
    for (end, device) in ["sender", "receiver"].into_iter().zip(CARDS) {
        let end = &facts[end];
        assert_eq!(end["device"], device);
        assert_eq!((&end["driver"], &end["mtu_bytes"]), (&driver.into(), &1500.into()));
        for feature in ["gather", "tx_checksum", "tso", "gso"] {
            assert!(end[feature].is_boolean(), "{feature}: {end}");
        }
    }
}

/// Whether the sender's device gathers, asked of the kernel in the namespaces that this process has open.
fn gathers(device: &str) -> bool {
    let ask = |namespace: &String| in_namespace(namespace, || scatter_gather(device));
    let found: Vec<bool> = namespaces().iter().filter_map(ask).collect();
    assert_eq!(found.len(), 1, "{device} is in one namespace");
    found[0]
}

#[test]
fn gathering_is_switched_in_the_kernel() {
    for (path, device) in [(Path::Veth, "zc-sender"), (Path::Nic, "eth0")] {
        let network = open(path);
        assert!(gathers(device), "{device} does from the start");
        for on in [false, false, true] {
            network.set_gather(on).unwrap();
            let facts = network.facts().sender;
            assert_eq!((gathers(device), facts.gather), (on, Some(on)), "{device}");
            // What depends on it.
            assert_eq!((facts.tso, facts.gso), (Some(on), Some(on)), "{device}");
        }
        assert_eq!(network.facts().receiver.gather, Some(true), "the other end's stays as it is");
    }
}

#[test]
fn everything_is_as_before() {
    let _on = On::new(CARDS[1]);
    let before = settled();
    for path in ALL {
        let network = open(path);
        if path != Path::Loopback {
            network.set_gather(false).unwrap();
            assert_ne!(state(), before, "there is something to take back");
        }
        // Sockets that outlive it keep nothing.
        let sockets = network.connect(0).unwrap();
        drop(network);
        assert_eq!(settled(), before, "{path:?}");
        drop(sockets);
    }
}

/// Which path a process of this test program opens and holds.
const HOLDS: &str = "ZC_TESTS_NETWORK";

#[test]
#[ignore = "the process that other tests start"]
fn holds() {
    let path = match env::var(HOLDS).as_deref() {
        Ok("veth") => Path::Veth,
        Ok("nic") => Path::Nic,
        _ => return,
    };
    let network = match Network::open(path, &NicOptions::default()) {
        Ok(network) => network,
        Err(error) => return println!("error: {error}"),
    };
    network.set_gather(false).unwrap();
    let _sockets = network.connect(0).unwrap();
    println!("ready");
    thread::sleep(Duration::from_secs(600));
}

fn holder(path: &str) -> Command {
    let mut command = Command::new(env::current_exe().unwrap());
    command.args(["--ignored", "--exact", "network::holds", "--nocapture", "--test-threads=1"]);
    command.env(HOLDS, path).stdin(Stdio::null()).stdout(Stdio::piped());
    command
}

/// Reads what it says until a line of it has `word`.
fn read_until(child: &mut Child, word: &str) {
    let out = child.stdout.as_mut().unwrap();
    let (mut said, mut byte) = (String::new(), [0]);
    while !said.contains(word) {
        assert_eq!(out.read(&mut byte).unwrap(), 1, "{said}");
        said.push(char::from(byte[0]));
    }
}

#[test]
fn a_killed_process_leaves_nothing() {
    let _on = On::new(CARDS[0]);
    let before = settled();
    for path in ["veth", "nic"] {
        let mut child = holder(path).spawn().unwrap();
        read_until(&mut child, "ready");
        assert_ne!(state(), before, "{path}: there is something to take back");
        child.kill().unwrap();
        child.wait().unwrap();
        wait_for("state as before", || (state() == before).then_some(()));
    }
}

/// The kernel alone brings the cards back, then, to where they were.
#[test]
fn a_killed_guard_does_not_keep_the_cards_away() {
    let before = settled();
    let mut child = holder("nic").spawn().unwrap();
    read_until(&mut child, "ready");
    let guards = processes_called("zc-network");
    assert_eq!(guards.len(), 1, "{guards:?}");
    sh(&format!("kill -9 {}", guards[0]));
    child.kill().unwrap();
    child.wait().unwrap();
    wait_for("return of the cards", || {
        (state().devices.len() == before.devices.len()).then_some(())
    });
    // But nobody resets what they are set to.
    assert_eq!(scatter_gather(CARDS[0]), Some(false));
    set_scatter_gather(CARDS[0], true);
    assert_eq!(state(), before);
}

#[test]
fn without_capabilities_the_error_says_which() {
    for path in ["veth", "nic"] {
        let output = as_user(holder(path), Privilege::None).output().unwrap();
        let said = String::from_utf8(output.stdout).unwrap();
        let line = said.lines().find(|line| line.contains("error: ")).unwrap();
        assert!(
            line.ends_with(
                "error: cannot make a network namespace: Operation not permitted (os error 1); it \
                 takes root, or CAP_SYS_ADMIN and CAP_NET_ADMIN"
            ),
            "{line}"
        );
    }
}

#[test]
fn cards_that_are_in_use_are_left_alone() {
    sh("ip addr add 192.0.2.7/24 dev eth0");
    let before = settled();
    let some = error(Path::Nic, &NicOptions::default());
    let named = error(Path::Nic, &"eth1,eth0".parse().unwrap());
    assert_eq!(state(), before, "nothing was tried");
    sh("ip addr del 192.0.2.7/24 dev eth0");
    assert_eq!(
        some.to_string(),
        "--path nic needs two Ethernet cards that nobody uses, joined back to back; here there is \
         only eth1, eth0 has the address 192.0.2.7: add cards, or choose another --path"
    );
    assert_eq!(
        named.to_string(),
        "eth0 has the address 192.0.2.7: name two Ethernet cards that nobody uses"
    );
    let missing = error(Path::Nic, &"eth0,eth9".parse().unwrap());
    assert_eq!(
        missing.to_string(),
        "there is no network card eth9 (ip link shows those there are)"
    );
}

#[test]
fn parts_of_a_bridge_are_left_alone() {
    sh("ip link add zcbr type bridge && ip link set eth1 master zcbr");
    let error = error(Path::Nic, &NicOptions::default()).to_string();
    sh("ip link set eth1 nomaster; ip link del zcbr");
    assert!(error.contains("only eth0, eth1 is part of zcbr"), "{error}");
}

#[test]
fn without_cards_the_error_says_what_it_takes() {
    let said = thread::spawn(|| {
        // SAFETY: the thread's network alone becomes another one.
        unsafe { unshare_unsafe(UnshareFlags::NEWNET) }.unwrap();
        error(Path::Nic, &NicOptions::default()).to_string()
    });
    assert_eq!(
        said.join().unwrap(),
        "--path nic needs two Ethernet cards that nobody uses, joined back to back; here there is \
         none: add cards, or choose another --path"
    );
}

#[test]
fn cards_are_taken_in_the_order_in_which_they_are_named() {
    let network = Network::open(Path::Nic, &"eth1,eth0".parse().unwrap()).unwrap();
    let facts = network.facts();
    assert_eq!((facts.sender.device.as_str(), facts.receiver.device.as_str()), ("eth1", "eth0"));
}

#[test]
fn cards_that_do_not_reach_each_other_are_told() {
    let network = open(Path::Nic);
    let switched_off = namespaces().iter().any(|namespace| {
        let off = || Command::new("/bin/ip").args(["link", "set", "eth0", "down"]).output().ok();
        in_namespace(namespace, off).is_some_and(|output| output.status.success())
    });
    assert!(switched_off);
    let error = network.connect(0).unwrap_err();
    let NetworkError::NotJoined { sender, receiver, .. } = &error else { panic!("{error}") };
    assert_eq!([sender.as_str(), receiver.as_str()], CARDS);
    let said = error.to_string();
    assert!(said.starts_with("eth0 and eth1 are not joined (no connection: "), "{said}");
    assert!(
        said.ends_with("put a cable between them, or name two that are joined with --nics"),
        "{said}"
    );
}
