//! What system call numbers mean.

use syscalls::Sysno;
use zc_common::{Operand, Operands, SYSCALL_SLOTS};

/// The name of system call `number`, or `#number` where none is known.
pub fn name(number: usize) -> String {
    Sysno::new(number).map_or_else(|| format!("#{number}"), |known| known.name().into())
}

/// Every name of a system call on this architecture.
pub fn names() -> impl Iterator<Item = &'static str> {
    Sysno::iter().map(|call| call.name())
}

/// Whether a positive return value is a number of payload bytes moved. Others return descriptors,
/// addresses or process ids, which must not be added up.
pub fn returns_bytes(number: usize) -> bool {
    use Sysno as S;
    matches!(
        Sysno::new(number),
        Some(
            S::read
                | S::write
                | S::pread64
                | S::pwrite64
                | S::readv
                | S::writev
                | S::preadv
                | S::pwritev
                | S::preadv2
                | S::pwritev2
                | S::sendto
                | S::recvfrom
                | S::sendmsg
                | S::recvmsg
                | S::sendfile
                | S::splice
                | S::vmsplice
                | S::tee
                | S::copy_file_range
                | S::process_vm_readv
                | S::process_vm_writev
        )
    )
}

/// Whether system call `number` moves between two files, pages by reference where it can.
pub fn between_files(number: usize) -> bool {
    let known = Sysno::new(number);
    matches!(known, Some(Sysno::splice | Sysno::sendfile | Sysno::copy_file_range))
}

/// Whether system call `number` passes pages by reference where it can: through a pipe of its own, one
/// call after the other.
pub fn splices(number: usize) -> bool {
    matches!(Sysno::new(number), Some(Sysno::splice | Sysno::vmsplice | Sysno::sendfile))
}

/// Where each system call names what its bytes come from and go to, by number (the calls' own pages in
/// section 2 of the manual). Both ends are nothing for a call that moves no payload.
pub fn operands() -> [u8; SYSCALL_SLOTS] {
    use Sysno as S;
    let mut table = [0; SYSCALL_SLOTS];
    let mut set = |calls: &[Sysno], source, sink| {
        for call in calls {
            table[*call as usize] = Operands::new(source, sink).0;
        }
    };
    let readers = [S::read, S::pread64, S::readv, S::preadv, S::preadv2];
    set(&readers, Operand::First, Operand::Memory);
    set(&[S::recvfrom, S::recvmsg, S::recvmmsg], Operand::First, Operand::Memory);
    let writers = [S::write, S::pwrite64, S::writev, S::pwritev, S::pwritev2];
    set(&writers, Operand::Memory, Operand::First);
    set(&[S::sendto, S::sendmsg, S::sendmmsg], Operand::Memory, Operand::First);
    set(&[S::sendfile], Operand::Second, Operand::First);
    set(&[S::splice, S::copy_file_range], Operand::First, Operand::Third);
    set(&[S::tee], Operand::First, Operand::Second);
    set(&[S::vmsplice], Operand::PipeToRead, Operand::PipeToWrite);
    set(&[S::process_vm_readv], Operand::Process, Operand::Memory);
    set(&[S::process_vm_writev], Operand::Memory, Operand::Process);
    table
}

/// How many ends the bytes of system call `number` pass in the kernel: both where one call takes
/// them from a file and gives them to another, none where it only duplicates references, otherwise
/// one (the other end is the caller's memory, or the pipe of a splice).
pub fn ends(number: usize) -> u64 {
    match Sysno::new(number) {
        Some(Sysno::sendfile | Sysno::copy_file_range) => 2,
        Some(Sysno::tee) => 0,
        _ => 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_and_descriptors_are_not_bytes() {
        assert!(returns_bytes(Sysno::sendfile as usize));
        assert!(!returns_bytes(Sysno::mmap as usize));
        assert!(!returns_bytes(Sysno::open as usize));
        assert!(!returns_bytes(511));
    }

    #[test]
    fn a_call_between_two_files_has_both_ends_in_the_kernel() {
        let calls = [Sysno::read, Sysno::splice, Sysno::sendfile, Sysno::tee];
        assert_eq!(calls.map(|call| ends(call as usize)), [1, 1, 2, 0]);
    }

    #[test]
    fn a_call_that_returns_bytes_has_both_ends() {
        let table = operands();
        for (number, operands) in table.iter().enumerate() {
            let both = operands >> 4 != 0 && operands & 15 != 0;
            // These two return how many messages they moved.
            let messages = [Sysno::recvmmsg, Sysno::sendmmsg].map(|call| call as usize);
            assert_eq!(both, returns_bytes(number) || messages.contains(&number), "{number}");
        }
    }

    #[test]
    fn numbers_have_names() {
        assert_eq!(name(Sysno::splice as usize), "splice");
        assert_eq!(name(511), "#511");
    }
}
