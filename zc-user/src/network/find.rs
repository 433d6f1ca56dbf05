//! Two network cards that nobody uses.

use std::{fs, io, path::Path as FilePath};

use netlink_packet_route::{
    address::{AddressAttribute, AddressMessage, AddressScope},
    link::{LinkAttribute, LinkInfo, LinkLayerType, LinkMessage},
};

use super::{
    NicOptions,
    error::{NetworkError, cannot},
    netlink::Netlink,
};

/// A network device, as far as it matters here.
#[derive(Clone, Debug, Default)]
struct Link {
    index: u32,
    name: String,
    /// What it cannot be a wired card for, if so.
    unfit: Option<String>,
    /// The device that it is a part of, as a bridge or a bond.
    master: Option<u32>,
    /// The device that it is on top of, as a VLAN is.
    below: Option<u32>,
    address: Option<String>,
}

/// The names of the sender's and the receiver's card.
///
/// # Errors
/// Named cards that there are not or that are in use; not just two that nobody uses; what the kernel
/// does not tell.
pub(super) fn pair(netlink: &Netlink, options: &NicOptions) -> Result<[String; 2], NetworkError> {
    let links = links(netlink).map_err(cannot("list the network devices"))?;
    match &options.names {
        Some(names) => named(&links, names),
        None => unused(&links),
    }
}

fn links(netlink: &Netlink) -> io::Result<Vec<Link>> {
    let addresses = netlink.addresses()?;
    let links = netlink.links()?;
    Ok(links.iter().map(|link| Link::new(link, &addresses)).collect())
}

fn named(links: &[Link], names: &[String; 2]) -> Result<[String; 2], NetworkError> {
    for name in names {
        let link = links.iter().find(|link| link.name == *name);
        let link = link.ok_or_else(|| NetworkError::NoSuchCard(name.clone()))?;
        if let Some(why) = link.unfit.clone().or_else(|| link.used(links)) {
            return Err(NetworkError::Unfit { name: name.clone(), why });
        }
    }
    if names[0] == names[1] {
        return Err(NetworkError::SameCard(names[0].clone()));
    }
    Ok(names.clone())
}

fn unused(links: &[Link]) -> Result<[String; 2], NetworkError> {
    let cards = links.iter().filter(|link| link.unfit.is_none());
    let (mut free, mut used) = (Vec::new(), Vec::new());
    for card in cards {
        match card.used(links) {
            Some(why) => used.push(format!("{} {why}", card.name)),
            None => free.push(card.name.clone()),
        }
    }
    <[String; 2]>::try_from(free).map_err(|free| {
        if free.len() > 2 {
            return NetworkError::TooMany(free);
        }
        let free = match free.first() {
            Some(name) => format!("there is only {name}"),
            None => "there is none".to_owned(),
        };
        let found = [vec![free], used].concat().join(", ");
        NetworkError::TooFew { found }
    })
}

impl Link {
    fn new(message: &LinkMessage, addresses: &[AddressMessage]) -> Self {
        let mut link = Self { index: message.header.index, ..Self::default() };
        let (mut kind, mut elsewhere) = (None, false);
        for attribute in &message.attributes {
            match attribute {
                LinkAttribute::IfName(name) => link.name.clone_from(name),
                LinkAttribute::Controller(index) => link.master = Some(*index),
                LinkAttribute::Link(index) => link.below = Some(*index),
                LinkAttribute::LinkNetNsId(_) => elsewhere = true,
                LinkAttribute::LinkInfo(infos) => {
                    kind = infos.iter().find_map(|info| match info {
                        LinkInfo::Kind(kind) => Some(kind.to_string()),
                        _ => None,
                    });
                }
                _ => {}
            }
        }
        // The number is another namespace's.
        if elsewhere {
            link.below = None;
        }
        // Devices that `ip link add` makes have a kind, cards have none.
        link.unfit = if let Some(kind) = kind {
            Some(format!("is no card but virtual ({kind})"))
        } else if message.header.link_layer_type != LinkLayerType::Ether {
            Some("is no Ethernet card".to_owned())
        } else if is_wireless(&link.name) {
            Some("is wireless".to_owned())
        } else {
            None
        };
        link.address = addresses.iter().find_map(|address| of(address, link.index));
        link
    }

    /// What it is used for, if anything.
    fn used(&self, links: &[Self]) -> Option<String> {
        if let Some(address) = &self.address {
            return Some(format!("has the address {address}"));
        }
        if let Some(master) = self.master {
            let name = links.iter().find(|link| link.index == master).map(|link| &link.name);
            return Some(format!("is part of {}", name.map_or("another device", String::as_str)));
        }
        let above = links.iter().find(|link| link.below == Some(self.index));
        above.map(|above| format!("carries {}", above.name))
    }
}

/// A wireless card stays where it is (`netns_immutable`), and has no cable.
fn is_wireless(name: &str) -> bool {
    fs::exists(FilePath::new("/sys/class/net").join(name).join("phy80211")).unwrap_or(false)
}

/// The address, if it is one of device `index` that somebody gave it: IPv6 gives each a local one.
fn of(address: &AddressMessage, index: u32) -> Option<String> {
    if address.header.index != index {
        return None;
    }
    address.attributes.iter().find_map(|attribute| match attribute {
        AddressAttribute::Address(ip) | AddressAttribute::Local(ip)
            if !(ip.is_ipv6() && address.header.scope == AddressScope::Link) =>
        {
            Some(ip.to_string())
        }
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn card(index: u32) -> Link {
        Link { index, name: format!("eth{index}"), ..Link::default() }
    }

    fn virtual_device(index: u32, name: &str) -> Link {
        let unfit = Some("is no card but virtual (bridge)".to_owned());
        Link { index, name: name.to_owned(), unfit, ..Link::default() }
    }

    fn said(result: Result<[String; 2], NetworkError>) -> String {
        result.unwrap_err().to_string()
    }

    fn names(text: [&str; 2]) -> [String; 2] {
        text.map(str::to_owned)
    }

    #[test]
    fn the_only_two_unused_cards_are_taken() {
        let lo = Link { unfit: Some("is no Ethernet card".into()), ..card(1) };
        let busy = Link { address: Some("192.0.2.7".into()), ..card(4) };
        let links = [lo, card(2), card(3), busy];
        assert_eq!(unused(&links).unwrap(), ["eth2", "eth3"]);
    }

    #[test]
    fn too_few_say_what_the_others_are_used_for() {
        let bridge = virtual_device(1, "br0");
        let vlan = Link { below: Some(3), ..virtual_device(9, "vlan5") };
        let part = Link { master: Some(1), ..card(2) };
        let lines = [
            (vec![], "here there is none: add cards, or choose another --path"),
            (vec![card(2)], "here there is only eth2: add"),
            (
                vec![bridge, part, card(3), vlan],
                "here there is none, eth2 is part of br0, eth3 carries vlan5: add",
            ),
        ];
        for (links, expected) in lines {
            let said = said(unused(&links));
            assert!(said.contains(expected) && said.contains("two Ethernet cards"), "{said}");
        }
    }

    #[test]
    fn of_more_than_two_the_user_has_to_choose() {
        let links = [card(2), card(3), card(4)];
        assert_eq!(
            said(unused(&links)),
            "nobody uses eth2, eth3, eth4: say with --nics which two of them are joined"
        );
        assert_eq!(named(&links, &names(["eth4", "eth2"])).unwrap(), ["eth4", "eth2"]);
    }

    #[test]
    fn a_named_card_has_to_be_there_and_free() {
        let busy = Link { address: Some("192.0.2.7".into()), ..card(4) };
        let links = [virtual_device(1, "br0"), card(2), busy];
        let lines = [
            (["eth2", "eth9"], "there is no network card eth9 (ip link shows those there are)"),
            (["eth2", "eth2"], "eth2 cannot be both ends: name two network cards"),
            (
                ["eth4", "eth2"],
                "eth4 has the address 192.0.2.7: name two Ethernet cards that nobody uses",
            ),
            (
                ["br0", "eth2"],
                "br0 is no card but virtual (bridge): name two Ethernet cards that nobody uses",
            ),
        ];
        for (pair, expected) in lines {
            assert_eq!(said(named(&links, &names(pair))), expected);
        }
    }
}
