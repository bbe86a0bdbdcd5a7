//! The addresses of a rig. All of them follow from one small number, so that several rigs stand side by side.

use std::net::Ipv4Addr;

/// How many rigs one machine can hold.
pub(crate) const RIGS: u8 = 16;

/// Port of the API server, the same in every rig: each has a network namespace of its own.
pub(crate) const API_PORT: u16 = 6443;

/// The addresses and link names of the rig with a given index.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Net {
    index: u8,
}

impl Net {
    /// The addresses of rig number `index`, which must be below [`RIGS`].
    #[must_use]
    pub fn new(index: u8) -> Self {
        assert!(index < RIGS, "a machine holds at most {RIGS} rigs");
        Self { index }
    }

    /// The host's end of the veth pair.
    #[must_use]
    pub fn host_link(self) -> String {
        format!("rig{}-out", self.index)
    }

    /// The rig's end of the veth pair.
    #[must_use]
    pub fn inner_link(self) -> String {
        format!("rig{}-in", self.index)
    }

    /// The host's address on the veth pair.
    #[must_use]
    pub fn host(self) -> Ipv4Addr {
        Ipv4Addr::new(10, 243, 0, self.index * 4 + 1)
    }

    /// The rig's address on the veth pair: where the host finds the API server.
    #[must_use]
    pub fn inner(self) -> Ipv4Addr {
        Ipv4Addr::new(10, 243, 0, self.index * 4 + 2)
    }

    /// Length of the veth pair's subnet.
    pub const LINK_PREFIX: u8 = 30;

    /// The node's address: the bridge of the pods, their gateway and their name server in one.
    #[must_use]
    pub fn node(self) -> Ipv4Addr {
        Ipv4Addr::new(10, 128 + self.index, 0, 1)
    }

    /// The pods' subnet.
    #[must_use]
    pub fn pods(self) -> String {
        format!("10.{}.0.0/24", 128 + self.index)
    }

    /// The services' subnet.
    #[must_use]
    pub fn services(self) -> String {
        format!("10.{}.0.0/16", 160 + self.index)
    }

    /// The address of the service `kubernetes`: always the first of its subnet.
    #[must_use]
    pub fn kubernetes_service(self) -> Ipv4Addr {
        self.service(1)
    }

    /// An address for a Service that asks for one: of the first 256 none is given to a Service that does not, as long as there are
    /// others (<https://kubernetes.io/docs/concepts/services-networking/cluster-ip-allocation/>).
    #[must_use]
    pub fn service(self, number: u8) -> Ipv4Addr {
        Ipv4Addr::new(10, 160 + self.index, 0, number)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn the_first_rig_has_these_addresses() {
        let net = Net::new(0);
        assert_eq!(net.host(), Ipv4Addr::new(10, 243, 0, 1));
        assert_eq!(net.inner(), Ipv4Addr::new(10, 243, 0, 2));
        assert_eq!(net.node(), Ipv4Addr::new(10, 128, 0, 1));
        assert_eq!(net.pods(), "10.128.0.0/24");
        assert_eq!(net.services(), "10.160.0.0/16");
        assert_eq!(net.host_link(), "rig0-out");
    }

    #[test]
    fn no_two_rigs_share_a_subnet_or_a_link() {
        let mut seen = BTreeSet::new();
        for net in (0..RIGS).map(Net::new) {
            let link = u32::from(net.host()) >> (32 - u32::from(Net::LINK_PREFIX));
            assert_eq!(link, u32::from(net.inner()) >> (32 - u32::from(Net::LINK_PREFIX)));
            for name in [link.to_string(), net.pods(), net.services(), net.host_link(), net.inner_link()] {
                // The kernel takes link names of at most 15 bytes.
                assert!(!name.starts_with("rig") || name.len() <= 15);
                assert!(seen.insert(name.clone()), "{name} is given twice");
            }
        }
    }
}
