//! Known transfers in records of TLS, which the kernel encrypts.

use std::os::fd::AsFd;

use anyhow::Result;
use rustix::net::{SendFlags, send};
use zc_common::{IterClass, Site};

use super::{Known, Pair, Ways, receive};
use crate::transfer::tls;

/// Bytes of the known transfer: a part that waits in the record for more, and the rest of the record.
const WAITS: usize = 1_234;
const FOLLOWS: usize = 765;

/// Makes the known transfer of the sites that are `attached`, over a connection of its own: it stays one
/// of TLS. Where the kernel has no TLS nothing passes them.
pub(super) fn transfers(
    ways: Ways,
    attached: impl Fn(Site) -> bool,
    known: &mut Known,
) -> Result<()> {
    let sites = [Site::SkMsgFromIter, Site::TlsEncrypt];
    if !sites.into_iter().any(attached) {
        return Ok(());
    }
    let pair = Pair::new()?;
    if tls::encrypt(pair.near.as_fd()).is_err() {
        return Ok(());
    }
    let payload = [7; WAITS + FOLLOWS];
    send(&pair.near, &payload[..WAITS], SendFlags::MORE)?;
    send(&pair.near, &payload[WAITS..], SendFlags::empty())?;
    let record = payload.len() + tls::AROUND;
    receive(&pair.far, record)?;
    known.add(Site::SkMsgFromIter, IterClass::User, WAITS);
    known.add(Site::TlsEncrypt, IterClass::None, payload.len());
    if ways.send_takes_pages {
        known.add(Site::TcpSendmsg, IterClass::Record, record);
    }
    known.add(Site::SkbSpliceFromIter, IterClass::Kernel, record);
    known.add(Site::DoTcpSendpages, IterClass::Record, record);
    known.add(Site::SimpleCopyToIter, IterClass::User, record);
    Ok(())
}
