//! What Portolan's tests stand on: above all the [`rig`], a real Kubernetes on this machine.

pub mod rig;
