//! The table.

use super::{Claim, kernel_entry, pipes, programs, sending, sockets, textbook};

/// Every claim, in the order of reports.
pub static CLAIMS: &[Claim] = &[
    kernel_entry::T1,
    programs::T3,
    sockets::T6,
    sockets::T7,
    textbook::T8,
    textbook::T9,
    textbook::T10,
    sending::MMAP,
    sending::SPLICE,
    pipes::VMSPLICE_MAPS,
    pipes::VMSPLICE_BACK_COPIES,
    pipes::GIFT,
    pipes::TEE,
    pipes::PROCESS_VM,
    pipes::PIPES_COPY_TWICE,
    programs::NGINX,
    programs::JAVA,
    programs::GO,
    programs::PYTHON,
    programs::RUST,
    programs::COREUTILS,
    programs::UPLOADS,
    programs::HAPROXY,
    programs::KAFKA,
];
