//! A proxy that tunnels (RFC 9110, section 9.3.6) to the servers of a test, and writes down for whom.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Result;

/// A running proxy. It ends with the test.
pub struct Tunnels {
    address: SocketAddr,
    seen: Arc<Mutex<Vec<String>>>,
}

impl Tunnels {
    /// Starts one that knows these hosts, with their ports, and where each really is. Of others it says that they are not there.
    ///
    /// # Errors
    /// Where no port is to be had.
    pub fn start(hosts: &[(&str, &str)]) -> Result<Self> {
        let hosts: BTreeMap<String, String> =
            hosts.iter().map(|(host, place)| ((*host).to_owned(), (*place).to_owned())).collect();
        let (hosts, seen) = (Arc::new(hosts), Arc::new(Mutex::new(Vec::new())));
        let log = seen.clone();
        let address = crate::loopback::listen("tunnels", move |stream| {
            let (hosts, log) = (hosts.clone(), log.clone());
            // Who hangs up has told the test what it wants to know.
            std::thread::spawn(move || drop(serve(stream, &hosts, &log)));
        })?;
        Ok(Self { address, seen })
    }

    /// Its address, as a variable has it.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The hosts that it was asked for until now, with their ports, or the first line of a request that asks for no tunnel.
    #[must_use]
    pub fn seen(&self) -> Vec<String> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

fn serve(mut client: TcpStream, hosts: &BTreeMap<String, String>, seen: &Mutex<Vec<String>>) -> std::io::Result<()> {
    let mut reader = BufReader::new(client.try_clone()?);
    let mut first = String::new();
    if reader.read_line(&mut first)? == 0 {
        // A client that keeps a connection for later, and ends before.
        return Ok(());
    }
    let mut line = String::new();
    while reader.read_line(&mut line)? > 2 {
        line.clear();
    }
    let mut words = first.split_whitespace();
    let host = match (words.next(), words.next()) {
        (Some("CONNECT"), Some(host)) => host.to_owned(),
        _ => first.trim_end().to_owned(),
    };
    seen.lock().unwrap_or_else(PoisonError::into_inner).push(host.clone());
    let Some(place) = hosts.get(&host) else {
        return client.write_all(b"HTTP/1.1 502 Bad Gateway\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
    };
    let server = TcpStream::connect(place)?;
    client.write_all(b"HTTP/1.1 200 OK\r\n\r\n")?;
    let (mut upstream, mut to_client, mut to_server) = (server.try_clone()?, client.try_clone()?, server);
    std::thread::spawn(move || {
        let copied = std::io::copy(&mut upstream, &mut to_client);
        drop(to_client.shutdown(Shutdown::Both));
        copied
    });
    let copied = std::io::copy(&mut reader, &mut to_server);
    drop(to_server.shutdown(Shutdown::Write));
    copied.map(drop)
}
