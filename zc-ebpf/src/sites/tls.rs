//! Records of TLS that the kernel fills, encrypts and decrypts itself.
//!
//! The ciphers at their entry: one that works later (`-EINPROGRESS`) may have freed the request before it returns.

use aya_ebpf::{
    macros::{fentry, fexit},
    programs::{FEntryContext, FExitContext},
};
use zc_common::{IterClass, Site};

use super::{count_current, return_int};
use crate::{
    layout::{iter_class, layout},
    memory::{Tracked, peek},
};

/// Bytes that a record of TLS 1.2 is authenticated with (`TLS_AAD_SPACE_SIZE`, include/net/tls.h), and one
/// of TLS 1.3 (`TLS_HEADER_SIZE`). What else encrypts packets, in softirqs too, has other numbers: IPsec 8,
/// 12, 16 or 20, MACsec 20 or 28. A program that has the kernel encrypt for it (`AF_ALG`) may have any; its
/// calls are then seen at more ends than they have, and the result is not complete.
const TLS_1_2: u32 = 13;
const TLS_1_3: u32 = 5;

/// A cipher that another one has made for itself (include/crypto/internal.h): what it works on has entered
/// that one before (`simd_aead_encrypt`, crypto/simd.c).
const CRYPTO_ALG_INTERNAL: u32 = 0x2000;

/// Payload of the record that a `struct aead_request` holds, without the tag; nothing if it holds none.
/// In one of TLS 1.3 a byte says at the end what it holds (RFC 8446, section 5.2).
#[inline(always)]
fn record(request: Tracked, tagged: bool) -> Option<i64> {
    let bound: u32 = request.read(layout!(aead_assoclen));
    if bound != TLS_1_2 && bound != TLS_1_3 {
        return None;
    }
    let cipher: u64 = peek(request.at(layout!(aead_tfm)))?;
    let at = |base: u64, offset: u32| (base as *const u8).wrapping_add(offset as usize);
    let algorithm: u64 = peek(at(cipher, layout!(tfm_alg)))?;
    if peek::<u32>(at(algorithm, layout!(alg_flags)))? & CRYPTO_ALG_INTERNAL != 0 {
        return None;
    }
    let bytes: u32 = request.read(layout!(aead_cryptlen));
    let payload = i64::from(bytes) - i64::from(bound == TLS_1_3);
    if !tagged {
        return Some(payload);
    }
    let before = u64::from(layout!(aead_authsize_before));
    let tag: u32 = peek(at(cipher.wrapping_sub(before), 0))?;
    Some(payload - i64::from(tag))
}

/// `int sk_msg_memcopy_from_iter(struct sock *, struct iov_iter *, struct sk_msg *, u32 bytes)`: all that it
/// is asked for or an error, whatever it returns of success: 0 or the bytes.
#[fexit]
fn sk_msg_memcopy_from_iter(ctx: FExitContext) -> Option<()> {
    let bytes = || match return_int(&ctx, Site::SkMsgFromIter) {
        0 => ctx.arg::<u32>(3).into(),
        returned => returned,
    };
    count_current(&ctx, Site::SkMsgFromIter, || iter_class(Tracked(ctx.arg(1))), bytes)
}

/// `int crypto_aead_encrypt(struct aead_request *)`.
#[fentry]
fn crypto_aead_encrypt(ctx: FEntryContext) -> Option<()> {
    let bytes = || record(Tracked(ctx.arg(0)), false).unwrap_or(-1);
    count_current(&ctx, Site::TlsEncrypt, || IterClass::None, bytes)
}

/// `int crypto_aead_decrypt(struct aead_request *)`: the tag lies behind the record.
#[fentry]
fn crypto_aead_decrypt(ctx: FEntryContext) -> Option<()> {
    let bytes = || record(Tracked(ctx.arg(0)), true).unwrap_or(-1);
    count_current(&ctx, Site::TlsDecrypt, || IterClass::None, bytes)
}
