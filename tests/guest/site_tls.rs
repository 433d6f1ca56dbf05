//! The sites of TLS in the kernel, made to count a known number of bytes.

use std::{
    fs::{self, File},
    io::{Read, Write},
    net::{TcpListener, TcpStream},
};

use nix::sys::socket::{
    setsockopt,
    sockopt::{TcpTlsRx, TcpTlsTx, TcpUlp, TlsCryptoInfo},
};
use rustix::{
    fs::sendfile,
    net::{SendFlags, send},
};
use zc_common::{
    IterClass::{Kernel, None as NoIter, Pipe, Record, User},
    Site,
};

use crate::{
    counting::{Counter, Passed, counting},
    needs::{self, needs},
    support::scratch,
};

const N: usize = 20_000;
const BYTES: u64 = 20_000;

/// A version, and what a record has around its payload: header, nonce and tag; header, type and tag.
const VERSIONS: [(u16, u64); 2] =
    [(libc::TLS_1_2_VERSION, 5 + 8 + 16), (libc::TLS_1_3_VERSION, 5 + 1 + 16)];

/// A connection whose two ends have agreed on a key, with AES-128-GCM: all that is sent on the first is
/// encrypted, and decrypted at the second.
fn tls(version: u16) -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let near = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let far = listener.accept().unwrap().0;
    let info = libc::tls_crypto_info { version, cipher_type: libc::TLS_CIPHER_AES_GCM_128 };
    let key = TlsCryptoInfo::Aes128Gcm(libc::tls12_crypto_info_aes_gcm_128 {
        info,
        iv: [1; 8],
        key: [2; 16],
        salt: [3; 4],
        rec_seq: [0; 8],
    });
    for socket in [&near, &far] {
        setsockopt(socket, TcpUlp::default(), b"tls").unwrap();
    }
    setsockopt(&near, TcpTlsTx, &key).unwrap();
    setsockopt(&far, TcpTlsRx, &key).unwrap();
    (near, far)
}

/// What passes when records of so many bytes go out, with `payload` in them and besides what else.
fn sent(counter: &Counter, records: u64, payload: u64, more: &[Passed]) -> Vec<Passed> {
    // From 6.5 on an ordinary send takes the pages.
    let (ordinary, by_pages) = match counter.function(Site::SkbSpliceFromIter) {
        Some(_) => (records, 0),
        None => (0, records),
    };
    let all = [
        (Site::TlsEncrypt, NoIter, payload),
        (Site::TcpSendmsg, Record, ordinary),
        (Site::SkbSpliceFromIter, Kernel, ordinary),
        (Site::DoTcpSendpages, Record, by_pages),
    ];
    [&all, more].concat()
}

#[test]
fn payload_is_encrypted_where_it_is_and_what_waits_for_more_is_copied() {
    needs!(needs::ulp("tls"));
    let payload = vec![5; N];
    let mut buffer = vec![0; N];
    for (version, around) in VERSIONS {
        let (mut near, mut far) = tls(version);
        counting(|counter| {
            // 16 KiB in the first record, the rest in the second.
            let counted = counter.count(|| {
                near.write_all(&payload).unwrap();
                far.read_exact(&mut buffer).unwrap();
            });
            let mut expected = sent(counter, BYTES + 2 * around, BYTES, &[]);
            expected.push((Site::TlsDecrypt, NoIter, BYTES));
            // Whose record may end in more than its type, is decrypted elsewhere first (`zc_capable`,
            // net/tls/tls_sw.c).
            if version == libc::TLS_1_3_VERSION {
                expected.push((Site::SimpleCopyToIter, User, BYTES));
            }
            counted.expect_sites(&expected);
            assert!(buffer == payload);
            // What the first one sends waits in the record for more.
            let counted = counter.count(|| {
                send(&near, &payload[..1000], SendFlags::MORE).unwrap();
                send(&near, &payload[..500], SendFlags::empty()).unwrap();
            });
            let waited = [(Site::SkMsgFromIter, User, 1000)];
            counted.expect(&sent(counter, 1500 + around, 1500, &waited));
            far.read_exact(&mut buffer[..1500]).unwrap();
        });
    }
}

#[test]
fn a_file_is_encrypted_out_of_the_page_cache() {
    needs!(needs::ulp("tls"));
    let folder = scratch();
    let path = folder.path().join("file");
    fs::write(&path, vec![7; N]).unwrap();
    let file = File::open(&path).unwrap();
    let mut buffer = vec![0; N];
    for (version, around) in VERSIONS {
        let (near, mut far) = tls(version);
        counting(|counter| {
            let counted = counter.count(|| {
                assert_eq!(sendfile(&near, &file, Some(&mut 0), N).unwrap(), N);
            });
            let filled = if counter.read_fills_pipe() { BYTES } else { 0 };
            let spliced = [
                (Site::FilemapSpliceRead, NoIter, BYTES),
                (Site::FilemapRead, Pipe, filled),
                (Site::SpliceToSocket, NoIter, BYTES),
            ];
            counted.expect(&sent(counter, BYTES + 2 * around, BYTES, &spliced));
            far.read_exact(&mut buffer).unwrap();
        });
        assert!(buffer.iter().all(|&byte| byte == 7));
    }
}
