//! What the devices at both ends are.

use serde::Serialize;

use super::{Path, device::Device};

/// What the bytes of a transfer pass, from end to end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Facts {
    /// Which way they take.
    pub path: Path,
    /// The sender's device.
    pub sender: EndFacts,
    /// The receiver's device.
    pub receiver: EndFacts,
}

/// A device. What the kernel did not say is absent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct EndFacts {
    /// Its name.
    pub device: String,
    /// The name of its driver.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub driver: Option<String>,
    /// Bytes of the largest packet, without the Ethernet header.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mtu_bytes: Option<u32>,
    /// Whether it takes a packet from several places of memory (scatter-gather).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gather: Option<bool>,
    /// Whether it makes the checksums of what it sends.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tx_checksum: Option<bool>,
    /// Whether it cuts what it sends into TCP segments (TSO).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tso: Option<bool>,
    /// Whether the kernel leaves the cutting to the last moment before it (GSO).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gso: Option<bool>,
}

impl From<&Device> for EndFacts {
    fn from(device: &Device) -> Self {
        Self {
            device: device.name.clone(),
            driver: device.driver().ok(),
            mtu_bytes: device.mtu().ok(),
            gather: device.gathers().ok(),
            tx_checksum: device.makes_checksums().ok(),
            tso: device.segments().ok(),
            gso: device.segments_late().ok(),
        }
    }
}
