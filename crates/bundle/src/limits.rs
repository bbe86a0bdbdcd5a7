/// What a bundle may cost to read. A bundle that exceeds a limit is refused.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Entries of all archives together, layers not counted.
    pub entries: u64,
    /// How many archives may lie inside each other.
    pub depth: usize,
    /// Bytes that one gzip stream may always expand to.
    pub expanded_floor: u64,
    /// Above that: how many times its own size.
    pub expanded_ratio: u64,
    /// Bytes of one JSON document.
    pub document: u64,
    /// Bytes of a chart's archive.
    pub chart: u64,
}

impl Default for Limits {
    /// Deflate reaches 1032 times; image layers reach 2 to 4, and single ones with large empty files more. The content of a chart has at
    /// most 100 MiB (helm 3.22.0, `pkg/chart/loader/archive.go`).
    fn default() -> Self {
        Self {
            entries: 500_000,
            depth: 5,
            expanded_floor: 256 << 20,
            expanded_ratio: 200,
            document: 4 << 20,
            chart: 100 << 20,
        }
    }
}

impl Limits {
    /// Bytes that a gzip stream of this size may expand to.
    pub(crate) fn expanded(&self, compressed: u64) -> u64 {
        self.expanded_floor.max(compressed.saturating_mul(self.expanded_ratio))
    }
}
