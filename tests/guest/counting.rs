//! Counting what this process does, to the byte.

use std::{
    collections::BTreeMap,
    process,
    sync::{Mutex, PoisonError},
};

use zc::{
    kernel::syscalls,
    measure::{Engine, Sample},
    probes::{
        attach::{Probes, Status},
        catalogue::{Context, Effect, SITES, entry},
    },
};
use zc_common::{Group, IterClass, Site};

use crate::{needs, unskipped::until_unskipped};

/// What passed a site: where, through what, how many bytes.
pub(crate) type Passed = (Site, IterClass, u64);

/// How often a window is opened again because the kernel skipped a program in it.
const TRIES: usize = 30;

/// The same for processes that a test starts anew each time.
const TRIES_OF_PROCESSES: usize = 20;

/// Attached once for the tests that follow each other: under emulation it takes seconds.
static SHARED: Mutex<Option<Counter>> = Mutex::new(None);

/// Runs `test` with the shared probes.
pub(crate) fn counting<R>(test: impl FnOnce(&mut Counter) -> R) -> R {
    let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
    test(shared.get_or_insert_with(|| Counter(Engine::new(Probes::attach(&[]).unwrap()))))
}

/// Detaches the shared probes, for a test that wants the kernel bare.
pub(crate) fn release() {
    *SHARED.lock().unwrap_or_else(PoisonError::into_inner) = None;
}

/// Probes that count this process.
pub(crate) struct Counter(Engine);

impl Counter {
    /// What this process and the machine did in `work`. Programs run preemptible, and the kernel
    /// skips one that is already running on the CPU: then the work is done once more. Where no task
    /// can be preempted inside one, only what also runs in softirqs may be skipped.
    pub(crate) fn count(&mut self, mut work: impl FnMut()) -> Counted {
        self.count_prepared(|| (), |()| work())
    }

    /// The same for work on what `prepare` makes each time, before counting begins.
    pub(crate) fn count_prepared<P>(
        &mut self,
        mut prepare: impl FnMut() -> P,
        mut work: impl FnMut(&mut P),
    ) -> Counted {
        let mut missed = BTreeMap::new();
        for _ in 0..TRIES {
            let before = self.0.probes().recursion_misses().unwrap();
            let mut prepared = prepare();
            let [own, machine] = self.count_once(|| work(&mut prepared));
            missed = self.0.probes().recursion_misses().unwrap().since(&before);
            if missed.is_empty() {
                return Counted { own, machine, statuses: self.0.probes().sites.clone() };
            }
            let explained = needs::preemption().is_ok() || missed.keys().all(|p| in_softirqs(p));
            assert!(explained, "skipped where nothing is preempted: {missed:?}");
        }
        panic!("programs were skipped in each of {TRIES} tries, in the last: {missed:?}");
    }

    /// The same for work that can be done only once.
    pub(crate) fn count_once(&mut self, work: impl FnOnce()) -> [Sample; 2] {
        let own = Group::traced(1).unwrap();
        self.watch_this_process(own);
        self.0.arm(&[own, Group::MACHINE]).unwrap();
        work();
        let mut counted = self.0.disarm().unwrap();
        [own, Group::MACHINE].map(|group| counted.remove(&group).unwrap())
    }

    /// What counts, for tests that say themselves whom to watch: nobody as yet.
    pub(crate) fn engine(&mut self) -> &mut Engine {
        self.watch_this_process(Group::MACHINE);
        &mut self.0
    }

    /// What `work` counts when the kernel skips no program in it. Nobody is watched at its start.
    pub(crate) fn unskipped<T>(&mut self, mut work: impl FnMut(&mut Engine) -> T) -> T {
        let run = || {
            let before = self.0.probes().recursion_misses().unwrap();
            let counted = work(self.engine());
            let missed = self.0.probes().recursion_misses().unwrap().since(&before);
            (counted, (!missed.is_empty()).then(|| format!("{missed:?}")))
        };
        until_unskipped(TRIES_OF_PROCESSES, run, |(_, skipped)| skipped.clone()).0
    }

    fn watch_this_process(&mut self, group: Group) {
        self.0.watch(process::id(), group).unwrap();
    }

    /// The function that `site` stands for on this kernel.
    pub(crate) fn function(&self, site: Site) -> Option<&'static str> {
        function(&self.0.probes().sites, site)
    }

    /// Whether an ordinary read of the file fills a pipe with references, as up to 6.4.
    pub(crate) fn read_fills_pipe(&self) -> bool {
        self.function(Site::FilemapSpliceRead) == Some("generic_file_splice_read")
    }
}

/// Whether a program may come on top of itself: it runs in process context and in softirqs.
fn in_softirqs(program: &str) -> bool {
    let row = SITES.iter().find(|row| row.program == program);
    row.map_or_else(
        || ["sk_destruct", "net_dev_start_xmit", "net_dev_xmit"].contains(&program),
        |row| row.context == Context::Any,
    )
}

fn function(statuses: &[Status], site: Site) -> Option<&'static str> {
    match &statuses[site as usize] {
        Status::Attached { function } => Some(function),
        Status::Absent => None,
        other => panic!("{site:?}: {other:?}"),
    }
}

/// What one window counted.
#[derive(Debug)]
pub(crate) struct Counted {
    /// This process.
    pub(crate) own: Sample,
    /// Nobody in particular.
    pub(crate) machine: Sample,
    statuses: Vec<Status>,
}

impl Counted {
    /// Bytes that passed `site` on behalf of this process.
    pub(crate) fn bytes(&self, site: Site, class: IterClass) -> u64 {
        self.own.sites.get(&(site, class)).map_or(0, |tally| tally.bytes)
    }

    /// Exactly `passed` passed the sites that this kernel has, and no byte of payload anything
    /// else. Memory faults of the test itself and packet headers are left aside.
    #[track_caller]
    pub(crate) fn expect_sites(&self, passed: &[Passed]) {
        let mut expected = BTreeMap::new();
        for &(site, class, bytes) in passed {
            if function(&self.statuses, site).is_some() && bytes > 0 {
                *expected.entry((site, class)).or_default() += bytes;
            }
        }
        let payload = self.own.sites.iter().filter(|((site, class), tally)| {
            tally.bytes > 0 && !matches!((entry(*site).effect)(*class), Effect::Aside(_))
        });
        let counted: BTreeMap<_, u64> = payload.map(|(key, tally)| (*key, tally.bytes)).collect();
        assert_eq!(counted, expected);
    }

    /// The same, and every byte that a system call returned was seen at each end that it has, none
    /// twice.
    #[track_caller]
    pub(crate) fn expect(&self, passed: &[Passed]) {
        self.expect_sites(passed);
        let [returned, explained] = self.coverage();
        assert_eq!(explained, returned, "{:?}", self.own.syscalls);
    }

    /// Bytes that system calls returned, for each end, and those that passed a site there.
    pub(crate) fn coverage(&self) -> [u64; 2] {
        let calls = self.own.syscalls.iter().filter(|(call, _)| syscalls::returns_bytes(**call));
        let explained = self
            .own
            .sites
            .iter()
            .map(|((site, class), tally)| (entry(*site).end)(*class).count() * tally.bytes);
        [calls.map(|(call, tally)| syscalls::ends(*call) * tally.bytes).sum(), explained.sum()]
    }
}
