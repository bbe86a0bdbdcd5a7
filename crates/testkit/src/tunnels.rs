//! A proxy that tunnels to the servers of a test, by HTTP (RFC 9110, section 9.3.6) and by SOCKS (RFC 1928), and writes down for whom.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
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
        let seen = Arc::new(Mutex::new(Vec::new()));
        let log = seen.clone();
        let address = crate::loopback::listen("tunnels", move |stream| serve(stream, &hosts, &log))?;
        Ok(Self { address, seen })
    }

    /// Its address, as a variable has it.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Its address as a proxy of SOCKS 5. It accepts the password `hidden` of whomever, and who has none.
    #[must_use]
    pub fn socks_url(&self, login: Option<(&str, &str)>) -> String {
        let login = login.map_or_else(String::new, |(name, password)| format!("{name}:{password}@"));
        format!("socks5://{login}{}", self.address)
    }

    /// The hosts that it was asked for until now, with their ports, or the first line of a request that asks for no tunnel.
    #[must_use]
    pub fn seen(&self) -> Vec<String> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

fn serve(mut client: TcpStream, hosts: &BTreeMap<String, String>, seen: &Mutex<Vec<String>>) -> std::io::Result<()> {
    let mut reader = BufReader::new(client.try_clone()?);
    let is_socks = reader.fill_buf()?.first() == Some(&5);
    let asked = if is_socks { socks_host(&mut reader, &mut client)? } else { http_host(&mut reader)? };
    let Some(host) = asked else { return Ok(()) };
    seen.lock().unwrap_or_else(PoisonError::into_inner).push(host.clone());
    let (yes, no): (&[u8], &[u8]) = if is_socks {
        (&[5, 0, 0, 1, 0, 0, 0, 0, 0, 0], &[5, 4, 0, 1, 0, 0, 0, 0, 0, 0])
    } else {
        (b"HTTP/1.1 200 OK\r\n\r\n", b"HTTP/1.1 502 Bad Gateway\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
    };
    let Some(place) = hosts.get(&host) else { return client.write_all(no) };
    let server = TcpStream::connect(place)?;
    client.write_all(yes)?;
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

/// The host of a request for a tunnel, or the first line of another one; `None` where nobody asks.
fn http_host(reader: &mut impl BufRead) -> std::io::Result<Option<String>> {
    let mut first = String::new();
    if reader.read_line(&mut first)? == 0 {
        // A client that keeps a connection for later, and ends before.
        return Ok(None);
    }
    let mut line = String::new();
    while reader.read_line(&mut line)? > 2 {
        line.clear();
    }
    let mut words = first.split_whitespace();
    Ok(Some(match (words.next(), words.next()) {
        (Some("CONNECT"), Some(host)) => host.to_owned(),
        _ => first.trim_end().to_owned(),
    }))
}

/// The host that a client of SOCKS names; `None` where its password is wrong.
fn socks_host(reader: &mut impl BufRead, client: &mut impl Write) -> std::io::Result<Option<String>> {
    fn bytes(reader: &mut impl BufRead, count: usize) -> std::io::Result<Vec<u8>> {
        let mut read = vec![0; count];
        reader.read_exact(&mut read)?;
        Ok(read)
    }
    let greeting = bytes(reader, 2)?;
    let methods = bytes(reader, greeting[1].into())?;
    let method = if methods.contains(&2) { 2 } else { 0 };
    client.write_all(&[5, method])?;
    if method == 2 {
        let name = bytes(reader, 2)?[1];
        bytes(reader, name.into())?;
        let length = bytes(reader, 1)?[0];
        let is_right = bytes(reader, length.into())? == b"hidden";
        client.write_all(&[1, u8::from(!is_right)])?;
        if !is_right {
            return Ok(None);
        }
    }
    let request = bytes(reader, 5)?;
    let host = bytes(reader, request[4].into())?;
    let port = bytes(reader, 2)?;
    let port = u16::from_be_bytes([port[0], port[1]]);
    // Only a name can be one that the client did not look up.
    Ok((request[3] == 3).then(|| format!("{}:{port}", String::from_utf8_lossy(&host))))
}
