//! A stack of addresses as the way through the kernel's functions, without the probes on it.

use zc_common::Site;

use super::{CountedStack, Symbol, Symbols};

/// The trampolines that call BPF programs (`bpf_trampoline_get`, kernel/bpf/trampoline.c).
const TRAMPOLINE: &str = "bpf_trampoline_";

/// What names a stack.
#[derive(Clone, Copy, Debug)]
pub struct Names<'a> {
    /// The kernel's functions.
    pub symbols: &'a Symbols,
    /// By [`Site`]: the function that it was attached to.
    pub functions: &'a [Option<&'static str>],
}

/// A stack longer than the kernel keeps begins with this.
const CUT_OFF: &str = "[deeper]";

/// Frames that the kernel keeps (`PERF_MAX_STACK_DEPTH`, include/uapi/linux/perf_event.h).
const MOST_FRAMES: usize = 127;

impl<'a> Names<'a> {
    /// The functions on the way to the site of `stack`, the outermost first and the site's own last;
    /// an address in hexadecimal where no function is known.
    pub(super) fn path(&self, stack: &CountedStack) -> Vec<String> {
        let mut path: Vec<String> = Vec::new();
        // Where a function calls its trampoline it is on the stack twice: it went to the trampoline
        // first thing, which called it.
        let mut through_trampoline = false;
        for address in stack.frames.iter().skip(stack.probe_frames).rev() {
            let symbol = self.at(*address);
            if symbol.is_some_and(|symbol| symbol.name.starts_with(TRAMPOLINE)) {
                through_trampoline = true;
                continue;
            }
            let name = symbol.map_or_else(|| format!("{address:#x}"), |symbol| symbol.to_string());
            if !(through_trampoline && path.last() == Some(&name)) {
                path.push(name);
            }
            through_trampoline = false;
        }
        if stack.frames.len() >= MOST_FRAMES {
            path.insert(0, CUT_OFF.to_owned());
        }
        // Newer kernels jump to a trampoline, and at its exit the function has no frame any more. Where
        // names are hidden nobody can tell.
        if self.symbols.hidden().is_none()
            && let Some(function) = self.function(stack.site)
            && path.last().is_none_or(|last| last.split(' ').next() != Some(function))
        {
            path.push(function.to_owned());
        }
        path
    }

    /// The function that a return address lies in: behind a call, which may be its last instruction.
    fn at(&self, address: u64) -> Option<Symbol<'a>> {
        self.symbols.at(address.checked_sub(1)?)
    }

    fn function(&self, site: Site) -> Option<&'static str> {
        self.functions.get(site as usize).copied().flatten()
    }
}

#[cfg(test)]
mod tests {
    use zc_common::{IterClass, Tally};

    use super::*;

    const FILE: &str = "\
        ffffffff81000000 T entry_SYSCALL_64_after_hwframe\n\
        ffffffff81001000 T do_syscall_64\n\
        ffffffff81002000 T udp_recvmsg\n\
        ffffffff81003000 T tcp_sendmsg_locked\n\
        ffffffff81004000 T last\n\
        ffffffff81005000 D data\n\
        ffffffffc0000000 t bpf_prog_1_take\t[bpf]\n\
        ffffffffc0001000 t bpf_prog_2_tcp_sendmsg_locked\t[bpf]\n\
        ffffffffc0002000 t bpf_trampoline_6442\t[bpf]\n\
        ffffffffc0100000 t xfs_read\t[xfs]\n";

    const ENTRY: u64 = 0xffff_ffff_8100_0010;
    const SYSCALL: u64 = 0xffff_ffff_8100_1010;
    const UDP: u64 = 0xffff_ffff_8100_2005;
    const TCP: u64 = 0xffff_ffff_8100_3005;
    const TAKE: u64 = 0xffff_ffff_c000_0010;
    const PROGRAM: u64 = 0xffff_ffff_c000_1010;
    const TRAMPOLINE: u64 = 0xffff_ffff_c000_2010;

    /// The way of `frames`, the innermost first, to a site that is `tcp_sendmsg_locked`.
    fn path(file: &str, frames: &[u64], probe_frames: usize) -> Vec<String> {
        let symbols = Symbols::parse(file, None);
        let mut functions = [None; Site::ALL.len()];
        functions[Site::TcpSendmsg as usize] = Some("tcp_sendmsg_locked");
        let stack = CountedStack {
            frames: frames.to_vec(),
            probe_frames,
            site: Site::TcpSendmsg,
            class: IterClass::User,
            tally: Tally::default(),
        };
        Names { symbols: &symbols, functions: &functions }.path(&stack)
    }

    #[test]
    fn the_probe_is_no_part_of_the_way() {
        let way = ["entry_SYSCALL_64_after_hwframe", "do_syscall_64", "tcp_sendmsg_locked"];
        assert_eq!(path(FILE, &[TAKE, PROGRAM, TRAMPOLINE, TCP, SYSCALL, ENTRY], 3), way);
        assert_eq!(path(FILE, &[TRAMPOLINE, TCP, SYSCALL, ENTRY], 1), way, "two were left out");
        assert_eq!(path(FILE, &[TCP, SYSCALL, ENTRY], 0), way);
    }

    #[test]
    fn a_function_around_the_trampoline_of_its_probe_stands_once() {
        let frames = [TCP, UDP + 0x80, TRAMPOLINE, UDP, SYSCALL];
        assert_eq!(path(FILE, &frames, 0), ["do_syscall_64", "udp_recvmsg", "tcp_sendmsg_locked"]);
        let frames = [TCP, UDP + 0x80, UDP + 0x40, SYSCALL];
        let twice = ["do_syscall_64", "udp_recvmsg", "udp_recvmsg", "tcp_sendmsg_locked"];
        assert_eq!(path(FILE, &frames, 0), twice, "a function that calls itself stands twice");
    }

    #[test]
    fn a_way_ends_in_the_function_of_its_site() {
        assert_eq!(path(FILE, &[SYSCALL], 0), ["do_syscall_64", "tcp_sendmsg_locked"]);
        assert_eq!(path(FILE, &[], 0), ["tcp_sendmsg_locked"]);
    }

    #[test]
    fn a_return_address_behind_the_last_call_is_in_the_caller() {
        let behind = 0xffff_ffff_8100_2000;
        assert_eq!(path(FILE, &[TCP, behind], 0), ["do_syscall_64", "tcp_sendmsg_locked"]);
    }

    #[test]
    fn what_has_no_name_stands_as_its_address_and_modules_are_named() {
        let frames = [TCP, 0xffff_ffff_8100_5010, 0xffff_ffff_c010_0010];
        let way = ["xfs_read [xfs]", "0xffffffff81005010", "tcp_sendmsg_locked"];
        assert_eq!(path(FILE, &frames, 0), way);
        let hidden = path("", &[TAKE, PROGRAM, TRAMPOLINE, TCP, ENTRY], 3);
        assert_eq!(hidden, ["0xffffffff81000010", "0xffffffff81003005"]);
    }

    #[test]
    fn a_stack_longer_than_the_kernel_keeps_says_so() {
        let way = path(FILE, &[TCP; MOST_FRAMES], 0);
        assert_eq!((way.len(), way[0].as_str()), (MOST_FRAMES + 1, "[deeper]"));
    }
}
