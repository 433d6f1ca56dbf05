//! The few types that aya has to find, in a BTF of their own.
//!
//! aya looks each function up by name among all types of the kernel, one by one: 7 to 16 million
//! instructions a function on Debian's 6.12, and 30 MB for all types. Here every type that is not
//! looked for is a nameless placeholder, so that those which are keep their ids, by which the kernel
//! knows them.

use aya::Endianness;

use super::{Btf, BtfError, KIND_FUNC, KIND_TYPEDEF, MAGIC};

/// `BTF_KIND_FWD`: the shortest type there is, of which nobody looks for any.
const PLACEHOLDER: u32 = 7;

const HEADER: u32 = 24;

impl Btf {
    /// The functions and typedefs that were wanted and found, under their ids.
    ///
    /// # Errors
    /// [`BtfError::Slim`] when aya does not take the bytes; zc wrote them, so one of the two is
    /// wrong.
    pub fn slim(&self) -> Result<aya::Btf, BtfError> {
        Ok(aya::Btf::parse(&self.slim_bytes(), Endianness::Little)?)
    }

    fn slim_bytes(&self) -> Vec<u8> {
        // By id: types are in the order of their ids, and so of their places.
        let wanted = |kind| matches!(kind, KIND_FUNC | KIND_TYPEDEF);
        let mut found: Vec<_> = self
            .named
            .iter()
            .filter(|((kind, _), _)| wanted(*kind))
            .filter_map(|((kind, name), at)| Some((self.types.binary_search(at).ok()?, kind, name)))
            .collect();
        found.sort_unstable();
        let mut types: Vec<[u32; 3]> = Vec::new();
        let mut strings = vec![0];
        for (id, kind, name) in found {
            // Id 0 is no type.
            types.resize(id - 1, [0, PLACEHOLDER << 24, 0]);
            types.push([length(&strings), kind << 24, 0]);
            strings.extend_from_slice(name.as_bytes());
            strings.push(0);
        }
        let types = types.as_flattened();
        let size = length(types) * 4;
        let version = 1 << 16;
        let header = [u32::from(MAGIC) | version, HEADER, 0, size, size, length(&strings)];
        let words = header.iter().chain(types).flat_map(|word| word.to_le_bytes());
        words.chain(strings.iter().copied()).collect()
    }
}

/// A kernel's BTF is a few megabytes.
fn length<T>(list: &[T]) -> u32 {
    u32::try_from(list.len()).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use aya_obj::btf::BtfKind;

    use super::*;
    use crate::kernel::btf::tests::sample;

    #[test]
    fn wanted_functions_keep_their_ids_and_the_rest_is_gone() {
        let slim = Btf::parse(sample(), &HashSet::from(["s", "f"])).unwrap().slim().unwrap();
        let id = |name, kind| slim.id_by_type_name_kind(name, kind).ok();
        assert_eq!(id("f", BtfKind::Func), Some(6));
        assert_eq!(id("s", BtfKind::Struct), None);
        let none = Btf::parse(sample(), &HashSet::new()).unwrap().slim().unwrap();
        assert!(none.id_by_type_name_kind("f", BtfKind::Func).is_err());
    }
}
