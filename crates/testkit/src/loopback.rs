//! Servers of tests on a port of this machine. They end with the test.

use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;

use anyhow::Result;

/// Gives each connection to a free port to `serve`, on a thread of its own: a client may keep one that it does not use. Returns the
/// port's address. What `serve` fails with is dropped: who hangs up has told the test what it wants to know.
pub(crate) fn listen(
    name: &str,
    serve: impl Fn(TcpStream) -> std::io::Result<()> + Send + Sync + 'static,
) -> Result<SocketAddr> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let address = listener.local_addr()?;
    let serve = Arc::new(serve);
    let each = move |stream| {
        let serve = serve.clone();
        std::thread::spawn(move || drop(serve(stream)));
    };
    std::thread::Builder::new()
        .name(name.to_owned())
        .spawn(move || listener.incoming().filter_map(std::result::Result::ok).for_each(each))?;
    Ok(address)
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::net::{Shutdown, TcpStream};

    use crate::memory_registry::MemoryRegistry;
    use crate::repository::{Repository, RepositoryContents};
    use crate::tunnels::Tunnels;

    /// Says something to a server, and waits until it has hung up.
    fn say(address: &str, text: &str) {
        let address = address.trim_start_matches("http://");
        let mut stream = TcpStream::connect(address).expect("it listens");
        stream.write_all(text.as_bytes()).expect("it is sent");
        stream.shutdown(Shutdown::Write).expect("an end");
        stream.read_to_end(&mut Vec::new()).expect("an answer");
    }

    #[test]
    fn a_connection_without_a_question_is_not_written_down() {
        let registry = MemoryRegistry::start(None).expect("a registry");
        let repository = Repository::start(RepositoryContents::default()).expect("a repository");
        let tunnels = Tunnels::start(&[]).expect("a proxy");
        let servers: [(String, &dyn Fn() -> Vec<String>); 3] = [
            (registry.address(), &|| registry.seen()),
            (repository.url(), &|| repository.seen()),
            (tunnels.url(), &|| tunnels.seen()),
        ];
        for (address, seen) in servers {
            say(&address, "");
            assert_eq!(seen(), Vec::<String>::new(), "{address}");
            say(&address, "GET /x HTTP/1.1\r\n\r\n");
            assert_eq!(seen().len(), 1, "{address}");
        }
    }
}
