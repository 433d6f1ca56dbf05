//! What system call numbers mean.

use syscalls::Sysno;

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
    fn numbers_have_names() {
        assert_eq!(name(Sysno::splice as usize), "splice");
        assert_eq!(name(511), "#511");
    }
}
