//! How long and how much data is kept, by the names of settings.

use super::{DataWords, is_off, near, words};

impl DataWords {
    /// Whether a setting of this name, in this block of a file, says how long, or how much, data is kept.
    #[must_use]
    pub fn keeps_data(&self, block: &str, name: &str) -> bool {
        let own = words(name);
        let near = near(block, name);
        let all = [words(block), own.clone()].concat();
        let has = |words: &[String], list: &[String]| words.iter().any(|word| list.contains(word));
        let removes = has(&near, &self.removes) || near.iter().any(|word| word == "older");
        has(&near, &self.keeps)
            || (has(&near, &self.keeps_beside) && has(&all, &self.kept) && !has(&near, &self.kept_else))
            || (removes && has(&own, &self.removes_after) && !has(&near, &self.kept_else))
    }

    /// Whether a setting of this name, in this block of a file, is a limit of the data that is kept: `MAX_DISK_SIZE`, `max-size`. Data
    /// beyond a limit that falls is thrown away.
    #[must_use]
    pub fn limits_data(&self, block: &str, name: &str) -> bool {
        let near = near(block, name);
        let has = |list: &[String]| near.iter().any(|word| list.contains(word));
        has(&self.limits) && has(&self.limited) && !has(&self.limited_else) && !self.is_beside("", &near.join("-"))
    }

    /// Whether a number that falls in a setting of this name, in this block of a file, says that less is kept: `keep`, `snapshots`.
    #[must_use]
    pub fn keeps_by_number(&self, block: &str, name: &str) -> bool {
        let near = near(block, name);
        let has = |list: &[String]| near.iter().any(|word| list.contains(word));
        has(&self.kept_by_number)
            && !has(&self.kept_by_number_else)
            && !has(&self.kept_else)
            && !has(&self.limited_else)
            && !self.is_beside(block, name)
    }

    /// Whether a program without the number in a setting of this name finds the same data, and only works faster or slower.
    #[must_use]
    pub fn is_tuning(&self, block: &str, name: &str) -> bool {
        let known = |word: &String| self.tuned.contains(word) || self.limited_else.contains(word);
        words(name).iter().any(known)
            || words(block).iter().any(|word| self.limited_else.contains(word))
            || self.is_of_host(name)
    }

    /// Whether a setting of this name, in this block of a file, says how long or how much data is kept, or is a limit of it.
    #[must_use]
    pub fn bounds_data(&self, block: &str, name: &str) -> bool {
        self.keeps_data(block, name) || self.limits_data(block, name)
    }

    /// Whether a setting of this name, in this block of a file, with this text switches off what keeps data: `persistence.enabled: false`.
    #[must_use]
    pub fn switches_off(&self, block: &str, name: &str, text: &str) -> bool {
        let near = near(block, name);
        let is_switch = !text.is_empty()
            && near.last().is_some_and(|last| match last.as_str() {
                "enabled" | "enable" | "on" => is_off(text),
                "disabled" | "disable" | "off" => text.eq_ignore_ascii_case("true") || text == "1",
                last => is_off(text) && self.keeps_on.iter().any(|word| word == last),
            });
        is_switch && near.iter().any(|word| self.keeps_on.contains(word))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_settings_say_how_much_is_kept() {
        let known = DataWords::builtin();
        for name in [
            "--storage.tsdb.retention.time",
            "-retentionPeriod",
            "KAFKA_LOG_RETENTION_HOURS",
            "BACKUP_KEEP_DAYS",
            "BADGER_SPAN_STORE_TTL",
            "--badger.span-store-ttl",
            "DATA_EXPIRATION",
            "keepLast",
            "OLDER_THAN",
            "DELETE_AFTER_DAYS",
            "purgeAfter",
            "daysToKeep",
        ] {
            assert!(known.keeps_data("", name), "{name}");
        }
        for name in [
            "RETAIN",
            "CACHE_TTL",
            "TCP_KEEP_ALIVE",
            "SESSION_STORE_TTL",
            "DNS_TTL",
            "KEEPALIVE_COUNT",
            "PAGE",
            "CLEANUP_INTERVAL",
        ] {
            assert!(!known.keeps_data("", name), "{name}");
        }
        for (block, name, is) in [
            ("spans", "ttl", true),
            ("retention", "period", true),
            ("delete", "min_age", true),
            ("cron.archive_cleanup", "OLDER_THAN", true),
            ("session", "ttl", false),
            ("query_log", "ttl", false),
            ("cors", "max_age", false),
        ] {
            assert_eq!(known.keeps_data(block, name), is, "{block} {name}");
        }
    }

    #[test]
    fn numbers_say_by_their_names_how_much_is_kept_or_that_they_tune() {
        let known = DataWords::builtin();
        for (block, name, is) in [
            ("", "keep", true),
            ("", "KEEP_DAYS", true),
            ("backup", "snapshots", true),
            ("", "TRASH_DAYS", true),
            ("", "NUM_BACKUPS", true),
            ("", "BACKUP_INTERVAL_DAYS", false),
            ("", "KEEP_ALIVE", false),
            ("session", "days", false),
            ("log", "history", false),
            ("", "shards", false),
        ] {
            assert_eq!(known.keeps_by_number(block, name), is, "{block} {name}");
        }
        for (block, name, is) in [
            ("", "max_connections", true),
            ("server", "http_port", true),
            ("", "flush_interval", true),
            ("pool", "min", true),
            ("", "slots", false),
            ("", "epoch", false),
        ] {
            assert_eq!(known.is_tuning(block, name), is, "{block} {name}");
        }
    }

    #[test]
    fn names_of_settings_say_how_much_data_there_may_be() {
        let known = DataWords::builtin();
        for name in [
            "MAX_DISK_SIZE",
            "--max-size",
            "max_bytes",
            "maxEntries",
            "storage-limit-gb",
            "max_msgs",
            "MAX_BACKUPS",
            "quota-backend-bytes",
        ] {
            assert!(known.limits_data("", name), "{name}");
        }
        for name in [
            "max_connections",
            "max_wal_size",
            "client_max_body_size",
            "MAX_UPLOAD_SIZE",
            "message.max.bytes",
            "CACHE_MAX_SIZE",
            "LOG_MAX_SIZE",
            "--max-old-space-size",
            "MAX_POOL_SIZE",
            "max_allowed_packet",
            "MEMORY_LIMIT",
            "php_upload_max_filesize",
            "OTEL_BSP_MAX_QUEUE_SIZE",
        ] {
            assert!(!known.limits_data("", name), "{name}");
        }
        assert!(known.limits_data("storage", "max_size") && !known.limits_data("pool", "max_size"));
    }

    #[test]
    fn what_keeps_data_is_switched_off() {
        let known = DataWords::builtin();
        for (block, name, text, is) in [
            ("hazelcast.persistence", "enabled", "false", true),
            ("core", "persistence-enabled", "false", true),
            ("", "AOF_ENABLED", "no", true),
            ("", "PERSISTENCE_DISABLED", "true", true),
            ("", "durable", "off", true),
            ("", "AOF_ENABLED", "yes", false),
            ("", "wal_compression", "off", false),
            ("metrics", "enabled", "false", false),
            ("", "persistence", "", false),
        ] {
            assert_eq!(known.switches_off(block, name, text), is, "{block} {name} {text}");
        }
    }
}
