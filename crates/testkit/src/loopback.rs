//! Servers of tests on a port of this machine. They end with the test.

use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};

use anyhow::Result;

/// Gives each connection to a free port to `serve`, one after the other, on a thread of this name. The port's address.
pub(crate) fn listen(name: &str, serve: impl Fn(TcpStream) + Send + 'static) -> Result<SocketAddr> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let address = listener.local_addr()?;
    std::thread::Builder::new()
        .name(name.to_owned())
        .spawn(move || listener.incoming().filter_map(std::result::Result::ok).for_each(serve))?;
    Ok(address)
}
