//! The table.

use super::{Claim, files, kernel_entry, pipes, programs, sending, sockets, textbook};

/// Every claim, in the order of reports.
pub static CLAIMS: &[Claim] = &[
    kernel_entry::T1,
    files::T2,
    programs::T3,
    files::T4,
    files::T5,
    sockets::T6,
    sockets::T7,
    textbook::T8,
    textbook::T9,
    textbook::T10,
    sending::MMAP,
    files::SENDFILE,
    sending::SPLICE,
    files::REFERENCES,
    files::MOVE,
    pipes::VMSPLICE_MAPS,
    pipes::VMSPLICE_BACK_COPIES,
    pipes::GIFT,
    pipes::TEE,
    files::DIRECT,
    files::COPY_FILE_RANGE,
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
