//! A TCP socket whose records the kernel encrypts itself (Documentation/networking/tls.rst), and their
//! decryption by who receives them.
//!
//! TLS 1.2 with AES-128 in GCM mode (RFC 5288): a record says its own number, so that the receiver need
//! not count. No handshake: both sides have the key from here, which protects nothing.

use std::os::fd::BorrowedFd;

use aes_gcm::{Aes128Gcm, Key, KeyInit as _, Nonce, Tag, aead::AeadInPlace as _};
use nix::sys::socket::{
    setsockopt,
    sockopt::{TcpTlsTx, TcpUlp, TlsCryptoInfo},
};
use rustix::{
    io::{Errno, Result},
    net::{RecvFlags, recv},
};

use super::{Part, Plan, receive, work::Work};
use crate::expect::{Cost, term};

const KEY: [u8; 16] = *b"in the open here";
const SALT: [u8; 4] = *b"salt";

/// Most payload of a record (RFC 5246, section 6.2.1).
const MOST: usize = 1 << 14;
/// In front of it: type, version, length, and the number that the nonce ends with.
const HEADER: usize = 5;
const NUMBER: usize = 8;
/// Behind it.
const TAG: usize = 16;
/// What a record has besides its payload.
pub(crate) const AROUND: usize = HEADER + NUMBER + TAG;

/// Payload that a call sends, of a chunk: two records. What is sent from up to 15 pages comes in one
/// piece through the pipe within sendfile(2), wherever its first page begins; more would come in
/// several, and the last record of each could be short.
pub(super) fn round(chunk: u64) -> u64 {
    chunk.min(2 * MOST as u64)
}

/// Bytes of all records with the payload.
pub(super) fn sealed(bytes: u64, chunk: u64) -> u64 {
    let records = |bytes: u64| bytes.div_ceil(MOST as u64);
    let round = round(chunk);
    bytes + AROUND as u64 * (bytes / round * records(round) + records(bytes % round))
}

/// Has the kernel encrypt what is sent on a TCP socket from now on. Once: the socket stays what it has
/// become.
///
/// # Errors
/// `ENOENT` where the kernel has no TLS or no such cipher; others as setsockopt(2) has them.
pub(crate) fn encrypt(socket: BorrowedFd<'_>) -> Result<()> {
    let errno = |error: nix::Error| Errno::from_raw_os_error(error as i32);
    let info = libc::tls_crypto_info {
        version: libc::TLS_1_2_VERSION,
        cipher_type: libc::TLS_CIPHER_AES_GCM_128,
    };
    let key = TlsCryptoInfo::Aes128Gcm(libc::tls12_crypto_info_aes_gcm_128 {
        info,
        iv: [0; NUMBER],
        key: KEY,
        salt: SALT,
        rec_seq: [0; NUMBER],
    });
    // The first time, too, until the socket says that it is one: so that all that later runs do was done
    // before, and no page of code is missing then.
    loop {
        match setsockopt(&socket, TcpUlp::default(), b"tls") {
            Err(nix::Error::EEXIST) => return Ok(()),
            done => done.map_err(errno)?,
        }
        setsockopt(&socket, TcpTlsTx, &key).map_err(errno)?;
    }
}

/// recv(2) of records, which this process decrypts.
pub(super) const RECEIVER: Part = Part { run: receive, cost, jobs: receive::TCP.jobs };

fn cost(plan: Plan) -> Cost {
    let sealed = sealed(plan.bytes, plan.chunk);
    Cost {
        kernel_to_user: term(sealed, "N + 29 a record: recv"),
        syscalls: term(sealed.div_ceil(plan.chunk), "⌈(N + 29 a record)/c⌉: recv"),
        ..Cost::NOTHING
    }
}

fn receive(work: &mut Work<'_>) -> Result<u64> {
    let socket = work.end()?;
    let mut left = sealed(work.bytes, work.chunk as u64);
    let mut opener = Opener::new();
    let mut received = 0;
    while left > 0 {
        let ask = work.next(left);
        let got = recv(socket, &mut work.buffer[..ask], RecvFlags::WAITALL)?.1;
        if got == 0 {
            return Err(Errno::CONNRESET);
        }
        left -= got as u64;
        work.moved.into += got as u64;
        let hasher = &mut work.hasher;
        opener.take(&work.buffer[..got], |payload| {
            received += payload.len() as u64;
            hasher.update(payload);
        })?;
    }
    Ok(received)
}

/// Puts records together again from how they arrive, and opens them.
struct Opener {
    cipher: Aes128Gcm,
    /// The beginning of a record.
    record: [u8; HEADER + NUMBER + MOST + TAG],
    /// How much of it there is.
    filled: usize,
}

impl Opener {
    fn new() -> Self {
        let cipher = Aes128Gcm::new(Key::<Aes128Gcm>::from_slice(&KEY));
        Self { cipher, record: [0; HEADER + NUMBER + MOST + TAG], filled: 0 }
    }

    /// Takes in what arrived, and gives `payload` that of each record that is whole.
    ///
    /// # Errors
    /// `EBADMSG` for what is no record, or not with this key.
    fn take(&mut self, mut arrived: &[u8], mut payload: impl FnMut(&[u8])) -> Result<()> {
        while !arrived.is_empty() {
            let end = if self.filled < HEADER { HEADER } else { self.end()? };
            let (part, rest) = arrived.split_at(arrived.len().min(end - self.filled));
            self.record[self.filled..][..part.len()].copy_from_slice(part);
            self.filled += part.len();
            arrived = rest;
            if self.filled > HEADER && self.filled == self.end()? {
                payload(self.open()?);
                self.filled = 0;
            }
        }
        Ok(())
    }

    /// Bytes of the record whose header is there.
    fn end(&self) -> Result<usize> {
        let end = HEADER + usize::from(u16::from_be_bytes([self.record[3], self.record[4]]));
        let possible = HEADER + NUMBER + TAG..=self.record.len();
        if possible.contains(&end) { Ok(end) } else { Err(Errno::BADMSG) }
    }

    /// The payload of the record that is there as a whole.
    fn open(&mut self) -> Result<&[u8]> {
        let end = self.filled;
        let (head, rest) = self.record[..end].split_at_mut(HEADER + NUMBER);
        let (sealed, tag) = rest.split_at_mut(rest.len() - TAG);
        let mut nonce = [0; SALT.len() + NUMBER];
        nonce[..SALT.len()].copy_from_slice(&SALT);
        nonce[SALT.len()..].copy_from_slice(&head[HEADER..]);
        // Number, type, version, length of the payload.
        let mut bound = [0; NUMBER + HEADER];
        bound[..NUMBER].copy_from_slice(&head[HEADER..]);
        bound[NUMBER..].copy_from_slice(&head[..HEADER]);
        let length = u16::try_from(sealed.len()).map_err(|_| Errno::BADMSG)?;
        bound[NUMBER + 3..].copy_from_slice(&length.to_be_bytes());
        self.cipher
            .decrypt_in_place_detached(
                Nonce::from_slice(&nonce),
                &bound,
                sealed,
                Tag::from_slice(tag),
            )
            .map_err(|_| Errno::BADMSG)?;
        Ok(sealed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A record as the kernel makes it, in TLS 1.2.
    fn record(number: u64, payload: &[u8]) -> Vec<u8> {
        let mut sealed = payload.to_vec();
        let number = number.to_be_bytes();
        let length = |more: usize| u16::try_from(payload.len() + more).unwrap().to_be_bytes();
        let head = |more: usize| [&[23, 3, 3][..], &length(more)].concat();
        let tag = Aes128Gcm::new(Key::<Aes128Gcm>::from_slice(&KEY))
            .encrypt_in_place_detached(
                Nonce::from_slice(&[&SALT[..], &number].concat()),
                &[&number[..], &head(0)].concat(),
                &mut sealed,
            )
            .unwrap();
        [&head(NUMBER + TAG)[..], &number, &sealed, &tag].concat()
    }

    #[test]
    fn records_are_opened_however_they_arrive_and_only_if_nobody_changed_them() {
        let payloads = [vec![1; MOST], vec![2], vec![3; 700]];
        let stream: Vec<_> = (7..).zip(&payloads).flat_map(|(n, p)| record(n, p)).collect();
        assert_eq!(stream.len(), MOST + 701 + 3 * 29);
        for piece in [1, 5, 13, 1000, stream.len()] {
            let (mut opener, mut opened) = (Opener::new(), Vec::new());
            for arrived in stream.chunks(piece) {
                opener.take(arrived, |payload| opened.extend_from_slice(payload)).unwrap();
            }
            assert!(opened == payloads.concat(), "in pieces of {piece}");
        }
        for at in [0, 4, 6, 100, MOST + 28] {
            let mut changed = stream.clone();
            changed[at] ^= 1;
            let result = Opener::new().take(&changed, |_| {});
            assert_eq!(result, Err(Errno::BADMSG), "byte {at}");
        }
    }

    #[test]
    fn what_is_sealed_is_longer_by_29_bytes_a_record() {
        assert_eq!(sealed(1 << 20, 64 << 10), (1 << 20) + 64 * 29);
        // A call of 20 000 bytes makes two records, the last one of 10 000 one.
        assert_eq!(sealed(50_000, 20_000), 50_000 + 5 * 29);
        assert_eq!(sealed(0, 20_000), 0);
        assert_eq!(sealed(10, 3), 10 + 4 * 29);
    }
}
