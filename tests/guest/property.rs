//! Random sequences of transfers: what they cost together is the sum of what each must cost, in
//! bytes at each site, in calls, and in the copies that zc derives from them.
//!
//! A failure closes with the shortest sequence found that fails. `PROPTEST_RNG_SEED`, whose value is
//! said in any case, makes `cargo xtask test -- property` repeat a run.

use std::{
    cell::RefCell,
    env,
    fmt::Debug,
    fs,
    io::Write,
    process,
    time::{SystemTime, UNIX_EPOCH},
};

use proptest::{
    collection::vec,
    prelude::{Just, Strategy, any, prop_oneof},
    sample::select,
    test_runner::{Config, RngSeed, TestCaseError, TestRunner},
};
use zc::{
    expect::{Cost, Side},
    measure::{Engine, Loss, Sample},
    probes::{
        attach::{Probes, sees},
        catalogue::{Direction, SITES},
    },
    result::derive::{self, RunInput, SideInput},
    transfer::session::{Delivered, OwnSide},
};
use zc_common::{Group, Tally};

use crate::{
    counting::counting,
    support::scratch,
    theory::{
        ByCall, BySite, Era, Kind, UDP_IN_ONE_PIECE, UDP_IN_PAGES, UNIX_IN_ONE_PIECE,
        counted_calls, counted_sites,
    },
    transfers::{BLOCK, LARGEST, Rig},
};

/// Sequences on each kernel. Under emulation, some 20 seconds.
const SEQUENCES: u32 = 60;

/// Transfers of a sequence, at most.
const TRANSFERS: usize = 12;

/// Chunks of a transfer, at most.
const CHUNKS: usize = 8;

/// The largest send that fits a socket's buffers, so that one thread can be both ends.
const LARGEST_SEND: usize = 32_768;

/// How often a sequence is made again because the kernel skipped a program in it, or had to send a
/// segment again.
const ATTEMPTS: usize = 10;

/// Bytes moved in one way, `chunk` at a time.
#[derive(Clone, Copy, Debug)]
struct Transfer {
    kind: Kind,
    bytes: usize,
    chunk: usize,
}

impl Transfer {
    /// The sizes of its passes.
    fn passes(self) -> impl Iterator<Item = usize> {
        let Self { bytes, chunk, .. } = self;
        (0..bytes).step_by(chunk).map(move |done| chunk.min(bytes - done))
    }
}

/// A transfer of any kind in passes that this kind can make.
fn transfer() -> impl Strategy<Value = Transfer> {
    // `Generated` ends where its text does, which is longer than this on every kernel.
    let version = fs::read("/proc/version").unwrap().len();
    let chunk = move |kind| match kind {
        Kind::DirectRead | Kind::DirectWrite => {
            (1..=LARGEST / BLOCK).prop_map(|blocks| blocks * BLOCK).boxed()
        }
        Kind::Generated => (1..=version).boxed(),
        Kind::Tcp
        | Kind::MmapSend
        | Kind::ZerocopyTcp
        | Kind::SendfileTcp
        | Kind::SpliceTcp
        | Kind::UnixStream
        | Kind::UnixDatagram => (1..=LARGEST_SEND).boxed(),
        // In one segment: a splice takes what has come, and does not wait for the rest.
        Kind::TcpSplice => (1..=BLOCK).boxed(),
        Kind::UnixSplice => (1..=UNIX_IN_ONE_PIECE).boxed(),
        Kind::Udp => prop_oneof![1..=UDP_IN_ONE_PIECE, UDP_IN_PAGES..=LARGEST].boxed(),
        _ => prop_oneof![1..=BLOCK, 1..=LARGEST].boxed(),
    };
    select(&Kind::ALL[..])
        .prop_flat_map(move |kind| (Just(kind), chunk(kind), 1..=CHUNKS, any::<bool>()))
        .prop_map(|(kind, chunk, chunks, even)| {
            // The last chunk is a smaller one, unless that would be another way or unaligned.
            let whole = even
                || chunk == 1
                || matches!(kind, Kind::DirectRead | Kind::DirectWrite | Kind::Udp);
            let bytes = if whole { chunk * chunks } else { chunk * chunks - chunk / 2 };
            Transfer { kind, bytes, chunk }
        })
}

/// What a sequence costs.
struct Costs {
    sites: BySite,
    calls: ByCall,
    /// Bytes that were copied, in each direction; `None` where zc does not say.
    copied: [Option<u64>; 3],
}

/// What `sequence` must cost.
fn predict(sequence: &[Transfer], era: Era) -> Costs {
    let (mut sites, mut calls, mut copied) = (BySite::new(), ByCall::new(), [0; 3]);
    // The call that arms returns when the counters are armed.
    calls.insert(libc::SYS_bpf, Tally { calls: 1, bytes: 0 });
    for transfer in sequence {
        for bytes in transfer.passes() {
            let theory = transfer.kind.theory(era, bytes);
            for (sum, copies) in copied.iter_mut().zip(theory.copies) {
                *sum += copies * bytes as u64;
            }
            for call in theory.calls {
                let tally = calls.entry(*call).or_default();
                tally.calls += 1;
                tally.bytes += bytes as u64;
            }
            for site in theory.sites {
                // In how many passes the kernel moves them is its own affair.
                sites.entry(*site).or_default().bytes += bytes as u64;
            }
        }
    }
    Costs { sites, calls, copied: copied.map(Some) }
}

/// What `sequence` was counted to cost; `None` if a program was skipped or a segment sent twice.
fn measure(sequence: &[Transfer], engine: &mut Engine, rig: &mut Rig) -> Option<Costs> {
    let own = Group::traced(1).unwrap();
    let before = engine.probes().recursion_misses().unwrap();
    let sent_again = rig.sent_again();
    engine.arm(&[own]).unwrap();
    let mut failed = None;
    for transfer in sequence {
        for bytes in transfer.passes() {
            if let Err(short) = rig.pass(transfer.kind, bytes) {
                failed = Some(format!("{transfer:?}: {short}"));
            }
        }
    }
    let sample = engine.disarm().unwrap().remove(&own).unwrap();
    assert_eq!(failed, None);
    let after = engine.probes().recursion_misses().unwrap();
    if !after.since(&before).is_empty() || rig.sent_again() != sent_again {
        return None;
    }
    let mut sites = counted_sites(&sample, engine.probes());
    sites.retain(|_, tally| tally.bytes > 0);
    sites.values_mut().for_each(|tally| tally.calls = 0);
    let copied = derived(&sample, engine.probes());
    Some(Costs { sites, calls: counted_calls(&sample), copied })
}

/// What zc makes of `sample`, as for the sender of a run: bytes copied in each direction.
fn derived(sample: &Sample, probes: &Probes) -> [Option<u64>; 3] {
    // As in any run, a call that belongs to the window and not to the work.
    let window = usize::try_from(libc::SYS_bpf).unwrap();
    let empty =
        Sample { syscalls: [(window, sample.syscalls[&window])].into(), ..Sample::default() };
    let jobs: Vec<_> =
        SITES.iter().map(|row| row.job).filter(|job| sees(&probes.sites, *job).is_ok()).collect();
    let sender = SideInput {
        side: Side::Sender,
        run: sample,
        empty: &empty,
        jobs: &jobs,
        cost: Cost::NOTHING,
        own: OwnSide::default(),
    };
    let input = RunInput {
        style: "",
        bytes: 1,
        hash: "",
        delivered: &Delivered { sent: 1, received: 1, ..Delivered::default() },
        statuses: &probes.sites,
        meters: &probes.meters,
        loss: &Loss::default(),
        guesses: &[],
        machine: &Sample::default(),
    };
    let copied = derive::run(&input, &sender, None).sender.copied;
    Direction::ALL.map(|direction| copied.get(direction))
}

fn compare(expected: &Costs, counted: &Costs) -> Result<(), String> {
    let differs = |what: &str, expected: &dyn Debug, counted: &dyn Debug| {
        Err(format!("{what}: expected {expected:?}, counted {counted:?}"))
    };
    if counted.sites != expected.sites {
        return differs("sites", &expected.sites, &counted.sites);
    }
    if counted.calls != expected.calls {
        return differs("calls", &expected.calls, &counted.calls);
    }
    if counted.copied != expected.copied {
        return differs("UK, KU and KK bytes", &expected.copied, &counted.copied);
    }
    Ok(())
}

/// The seed that was asked for, or another one each time.
fn seed() -> u64 {
    let asked = env::var("PROPTEST_RNG_SEED").ok().map(|seed| seed.parse().unwrap());
    let nanoseconds = || SystemTime::now().duration_since(UNIX_EPOCH).unwrap().subsec_nanos();
    asked.unwrap_or_else(|| u64::from(nanoseconds()))
}

#[test]
fn sequences_of_transfers_cost_what_their_parts_cost() {
    let folder = scratch();
    let seed = seed();
    let rig = Rig::new(folder.path()).unwrap();
    let era = Era::of_this_kernel();
    let config = Config {
        cases: SEQUENCES,
        failure_persistence: None,
        rng_seed: RngSeed::Fixed(seed),
        ..Config::default()
    };
    // Past the test runner's own capture, which forgets what a test that passes says.
    let line = format!("property: PROPTEST_RNG_SEED={seed}\n");
    std::io::stderr().write_all(line.as_bytes()).unwrap();
    let result = counting(|counter| {
        let engine = counter.engine();
        engine.watch(process::id(), Group::traced(1).unwrap()).unwrap();
        let state = RefCell::new((engine, rig));
        TestRunner::new(config).run(&vec(transfer(), 1..=TRANSFERS), |sequence| {
            let (engine, rig) = &mut *state.borrow_mut();
            let counted = (0..ATTEMPTS).find_map(|_| measure(&sequence, engine, rig));
            let Some(counted) = counted else {
                return Err(TestCaseError::reject("skipped or sent again in every attempt"));
            };
            compare(&predict(&sequence, era), &counted).map_err(TestCaseError::fail)
        })
    });
    if let Err(failure) = result {
        panic!("seed {seed}: {failure}");
    }
}
