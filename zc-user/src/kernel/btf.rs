//! A reader for the few facts that zc needs from the kernel's BTF.
//!
//! aya keeps its BTF types private. The two general readers with a permissive licence that could
//! be used instead (`btf`, `btfparse`) build an owned copy of every type: 180 ms and 85 MB for a
//! 5.5 MB BTF, where this pass over the bytes takes 6 ms and keeps only the names asked for.
//!
//! Format: <https://docs.kernel.org/bpf/btf.html>, `include/uapi/linux/btf.h`.

mod slim;

use std::collections::{HashMap, HashSet};

use thiserror::Error;
use zc_common::BitField;

/// Where the kernel publishes its own types.
pub const VMLINUX: &str = "/sys/kernel/btf/vmlinux";

const MAGIC: u16 = 0xeb9f;
const KIND_STRUCT: u32 = 4;
const KIND_UNION: u32 = 5;
const KIND_ENUM: u32 = 6;
const KIND_TYPEDEF: u32 = 8;
const KIND_FUNC: u32 = 12;
const KIND_FUNC_PROTO: u32 = 13;

/// Why a fact could not be read from BTF.
#[derive(Debug, Error)]
pub enum BtfError {
    /// The file cannot be read.
    #[error("cannot read {VMLINUX}: {0} (zc needs a kernel built with CONFIG_DEBUG_INFO_BTF)")]
    Unreadable(#[from] std::io::Error),
    /// The bytes are not what the format says.
    #[error("{VMLINUX} is truncated or not BTF (at byte {0})")]
    Malformed(usize),
    /// The running kernel has no such type, field or function.
    #[error("this kernel's BTF has no {0}")]
    Missing(String),
    /// aya cannot read what zc took from it.
    #[error("cannot pass the kernel's BTF on: {0}")]
    Slim(#[from] aya::BtfError),
}

/// The names looked for and where their types lie.
pub struct Btf {
    data: Vec<u8>,
    strings: usize,
    /// Byte offset of each type, by type id.
    types: Vec<usize>,
    named: HashMap<(u32, String), usize>,
}

/// The fixed part of a type.
struct Header {
    name: u32,
    kind: u32,
    vlen: usize,
    /// For structs: member offsets share their word with a bit-field size.
    kind_flag: bool,
    size_or_type: u32,
}

impl Btf {
    /// Reads the running kernel's BTF, remembering the types and functions called `wanted`.
    ///
    /// # Errors
    /// [`BtfError::Unreadable`] when [`VMLINUX`] cannot be read, as in a kernel built without BTF;
    /// else those of [`Btf::parse`].
    pub fn from_kernel(wanted: &HashSet<&str>) -> Result<Self, BtfError> {
        Self::parse(std::fs::read(VMLINUX)?, wanted)
    }

    /// The same from bytes.
    ///
    /// # Errors
    /// [`BtfError::Malformed`] when the bytes are cut short, are no BTF, or hold a kind of type
    /// that is newer than this reader.
    pub fn parse(data: Vec<u8>, wanted: &HashSet<&str>) -> Result<Self, BtfError> {
        let mut btf = Self { data, strings: 0, types: vec![0], named: HashMap::new() };
        if btf.u32(0)? & 0xffff != u32::from(MAGIC) {
            return Err(BtfError::Malformed(0));
        }
        let header = btf.size(4)?;
        let start = header + btf.size(8)?;
        let end = start + btf.size(12)?;
        btf.strings = header + btf.size(16)?;
        let strings_end = btf.strings + btf.size(20)?;
        // The kernel's own sections leave no gap (`btf_check_sec_info`, kernel/bpf/btf.c).
        if strings_end > btf.data.len() || end != btf.strings {
            return Err(BtfError::Malformed(btf.data.len()));
        }
        let mut at = start;
        while at < end {
            let ty = btf.header(at)?;
            if matches!(ty.kind, KIND_STRUCT | KIND_ENUM | KIND_FUNC | KIND_TYPEDEF) {
                let name = btf.string(ty.name)?;
                if wanted.contains(name) {
                    let key = (ty.kind, name.to_owned());
                    // The first of a name, as everyone else takes it.
                    btf.named.entry(key).or_insert(at);
                }
            }
            btf.types.push(at);
            at += 12 + trailer_size(ty.kind, ty.vlen).ok_or(BtfError::Malformed(at))?;
        }
        Ok(btf)
    }

    /// Number of parameters of the kernel function `name`; `None` when there is no such function.
    ///
    /// # Errors
    /// [`BtfError::Malformed`] when the function's type is no prototype, or is not there.
    pub fn params(&self, name: &str) -> Result<Option<u32>, BtfError> {
        let Some(&at) = self.named.get(&(KIND_FUNC, name.to_owned())) else {
            return Ok(None);
        };
        let proto = self.header(self.type_at(self.header(at)?.size_or_type)?)?;
        if proto.kind != KIND_FUNC_PROTO {
            return Err(BtfError::Malformed(at));
        }
        u32::try_from(proto.vlen).map(Some).map_err(|_| BtfError::Malformed(at))
    }

    /// Byte offset of `member` in `struct name`, also inside anonymous members.
    ///
    /// # Errors
    /// [`BtfError::Missing`] when the kernel has no such struct or member, or the struct was not
    /// among those wanted; [`BtfError::Malformed`] when a member's name or type is not there.
    pub fn offset(&self, name: &str, member: &str) -> Result<u32, BtfError> {
        Ok(self.bit_offset(name, member)? / 8)
    }

    /// Where `member` of `struct name`, a field of one bit, is, also inside anonymous members.
    ///
    /// # Errors
    /// As for [`Btf::offset`].
    pub fn bit(&self, name: &str, member: &str) -> Result<BitField, BtfError> {
        let bits = self.bit_offset(name, member)?;
        Ok(BitField { at: bits / 8, mask: 1 << (bits % 8) })
    }

    fn bit_offset(&self, name: &str, member: &str) -> Result<u32, BtfError> {
        let missing = || BtfError::Missing(format!("struct {name} with a member {member}"));
        let at = *self.named.get(&(KIND_STRUCT, name.to_owned())).ok_or_else(missing)?;
        self.member_bits(at, member)?.ok_or_else(missing)
    }

    /// Bytes of `struct name`.
    ///
    /// # Errors
    /// [`BtfError::Missing`] when the kernel has no such struct, or it was not among those wanted.
    pub fn size_of(&self, name: &str) -> Result<u32, BtfError> {
        let missing = || BtfError::Missing(format!("struct {name}"));
        let at = *self.named.get(&(KIND_STRUCT, name.to_owned())).ok_or_else(missing)?;
        Ok(self.header(at)?.size_or_type)
    }

    /// The enumerators of `enum name`.
    ///
    /// # Errors
    /// [`BtfError::Missing`] when the kernel has no such enum, or it was not among those wanted;
    /// [`BtfError::Malformed`] when an enumerator or its name is not there.
    pub fn enumerators(&self, name: &str) -> Result<Vec<(&str, u32)>, BtfError> {
        let at = *self
            .named
            .get(&(KIND_ENUM, name.to_owned()))
            .ok_or_else(|| BtfError::Missing(format!("enum {name}")))?;
        (0..self.header(at)?.vlen)
            .map(|i| {
                let entry = at + 12 + i * 8;
                Ok((self.string(self.u32(entry)?)?, self.u32(entry + 4)?))
            })
            .collect()
    }

    fn member_bits(&self, at: usize, member: &str) -> Result<Option<u32>, BtfError> {
        let ty = self.header(at)?;
        for i in 0..ty.vlen {
            let entry = at + 12 + i * 12;
            let name = self.string(self.u32(entry)?)?;
            let offset = self.u32(entry + 8)?;
            let offset = if ty.kind_flag { offset & 0x00ff_ffff } else { offset };
            if name == member {
                return Ok(Some(offset));
            }
            if name.is_empty() {
                let inner = self.type_at(self.u32(entry + 4)?)?;
                if matches!(self.header(inner)?.kind, KIND_STRUCT | KIND_UNION)
                    && let Some(bits) = self.member_bits(inner, member)?
                {
                    return Ok(Some(offset + bits));
                }
            }
        }
        Ok(None)
    }

    fn type_at(&self, id: u32) -> Result<usize, BtfError> {
        usize::try_from(id)
            .ok()
            .and_then(|id| self.types.get(id).copied())
            .ok_or(BtfError::Malformed(0))
    }

    fn header(&self, at: usize) -> Result<Header, BtfError> {
        let info = self.u32(at + 4)?;
        Ok(Header {
            name: self.u32(at)?,
            kind: info >> 24 & 0x1f,
            vlen: (info & 0xffff) as usize,
            kind_flag: info >> 31 == 1,
            size_or_type: self.u32(at + 8)?,
        })
    }

    fn string(&self, offset: u32) -> Result<&str, BtfError> {
        let start = self.strings + offset as usize;
        let bytes = self.data.get(start..).ok_or(BtfError::Malformed(start))?;
        let end = bytes.iter().position(|b| *b == 0).ok_or(BtfError::Malformed(start))?;
        std::str::from_utf8(&bytes[..end]).map_err(|_| BtfError::Malformed(start))
    }

    fn size(&self, at: usize) -> Result<usize, BtfError> {
        Ok(self.u32(at)? as usize)
    }

    fn u32(&self, at: usize) -> Result<u32, BtfError> {
        let bytes = self.data.get(at..at + 4).ok_or(BtfError::Malformed(at))?;
        Ok(u32::from_le_bytes(bytes.try_into().map_err(|_| BtfError::Malformed(at))?))
    }
}

/// Bytes behind the fixed part, by kind; `None` for a kind newer than this reader.
fn trailer_size(kind: u32, vlen: usize) -> Option<usize> {
    Some(match kind {
        // INT, VAR, DECL_TAG
        1 | 14 | 17 => 4,
        // PTR, FWD, TYPEDEF, VOLATILE, CONST, RESTRICT, FUNC, FLOAT, TYPE_TAG
        2 | 7..=12 | 16 | 18 => 0,
        // ARRAY
        3 => 12,
        // STRUCT, UNION, DATASEC, ENUM64
        4 | 5 | 15 | 19 => vlen * 12,
        // ENUM, FUNC_PROTO
        6 | 13 => vlen * 8,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A BTF with `struct s { struct { int a; int b; }; }`, `enum e { X = 7 }`, `int f(int, int)`.
    pub(super) fn sample() -> Vec<u8> {
        let strings = b"\0int\0a\0b\0s\0e\0X\0f\0";
        let info = |kind: u32, vlen: u32| kind << 24 | vlen;
        let types: Vec<u32> = [
            &[1, info(1, 0), 4, 32][..],            // 1: int
            &[0, info(4, 2), 8, 5, 1, 0, 7, 1, 32], // 2: anonymous
            &[9, info(4, 1), 8, 0, 2, 64],          // 3: s
            &[11, info(6, 1), 4, 13, 7],            // 4: e
            &[0, info(13, 2), 1, 0, 1, 0, 1],       // 5: prototype
            &[15, info(12, 0), 5],                  // 6: f
        ]
        .concat();
        let type_len = u32::try_from(types.len() * 4).unwrap();
        let header =
            [0x0001_eb9f, 24, 0, type_len, type_len, u32::try_from(strings.len()).unwrap()];
        let mut bytes: Vec<u8> =
            header.iter().chain(&types).flat_map(|w| w.to_le_bytes()).collect();
        bytes.extend_from_slice(strings);
        bytes
    }

    #[test]
    fn finds_members_enumerators_and_parameters() {
        let btf = Btf::parse(sample(), &HashSet::from(["s", "e", "f"])).unwrap();
        assert_eq!(btf.offset("s", "b").unwrap(), 12);
        assert_eq!(btf.bit("s", "b").unwrap(), BitField { at: 12, mask: 1 });
        assert_eq!(btf.size_of("s").unwrap(), 8);
        assert_eq!(btf.enumerators("e").unwrap(), [("X", 7)]);
        assert_eq!(btf.params("f").unwrap(), Some(2));
        assert_eq!(btf.params("g").unwrap(), None);
        assert!(matches!(btf.offset("s", "c"), Err(BtfError::Missing(_))));
    }

    #[test]
    fn truncated_bytes_are_an_error_at_every_length() {
        let whole = sample();
        for length in 0..whole.len() {
            let cut = whole[..length].to_vec();
            let read = Btf::parse(cut, &HashSet::from(["s", "e", "f"]));
            assert!(matches!(read, Err(BtfError::Malformed(_))), "{length} bytes");
        }
    }

    #[test]
    fn other_files_are_not_btf() {
        assert!(matches!(
            Btf::parse(b"\x7fELF....".to_vec(), &HashSet::new()),
            Err(BtfError::Malformed(0))
        ));
    }
}
