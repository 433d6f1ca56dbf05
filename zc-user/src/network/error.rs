//! Why there is no network.

use std::io;

use rustix::io::Errno;
use thiserror::Error;

/// Why there is no network, or not the wanted one.
#[derive(Debug, Error)]
pub enum NetworkError {
    /// A card that was named.
    #[error("there is no network card {0} (ip link shows those there are)")]
    NoSuchCard(String),
    /// A card that was named, and why it is not taken.
    #[error("{name} {why}: name two Ethernet cards that nobody uses")]
    Unfit {
        /// Its name.
        name: String,
        /// What is wrong with it.
        why: String,
    },
    /// The same card for both ends.
    #[error("{0} cannot be both ends: name two network cards")]
    SameCard(String),
    /// Not two cards that are free.
    #[error(
        "--path nic needs two Ethernet cards that nobody uses, joined back to back; here {found}: add \
         cards, or choose another --path"
    )]
    TooFew {
        /// Those that are, and why others are not taken.
        found: String,
    },
    /// More than two cards that are free.
    #[error("nobody uses {}: say with --nics which two of them are joined", .0.join(", "))]
    TooMany(Vec<String>),
    /// Two cards that do not reach each other.
    #[error(
        "{sender} and {receiver} are not joined ({why}): put a cable between them, or name two that \
         are joined with --nics"
    )]
    NotJoined {
        /// The sender's card.
        sender: String,
        /// The receiver's card.
        receiver: String,
        /// How it showed.
        why: String,
    },
    /// The receiver's port.
    #[error("port {0} is taken: choose another --port, or leave it out")]
    PortTaken(u16),
    /// Gathering was not to be switched.
    #[error("cannot switch {state} gathering on {device}: {why}")]
    Gather {
        /// The sender's device.
        device: String,
        /// `on` or `off`.
        state: &'static str,
        /// The kernel's reason.
        why: String,
    },
    /// A step that the kernel did not take.
    #[error("cannot {what}: {error}{}", hint(error))]
    Step {
        /// What was to be done.
        what: String,
        /// The kernel's error.
        error: io::Error,
    },
}

/// For `map_err`.
pub(super) fn cannot(what: impl Into<String>) -> impl FnOnce(io::Error) -> NetworkError {
    move |error| NetworkError::Step { what: what.into(), error }
}

/// What is to be done about an error.
fn hint(error: &io::Error) -> &'static str {
    match Errno::from_io_error(error) {
        Some(Errno::PERM) => "; it takes root, or CAP_SYS_ADMIN and CAP_NET_ADMIN",
        _ => "",
    }
}
