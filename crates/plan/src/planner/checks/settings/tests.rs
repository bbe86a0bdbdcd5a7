use std::collections::BTreeMap;

use super::*;

#[test]
fn settings_are_found_by_their_names() {
    for (text, word, is) in [
        ("--appendonly", "appendonly", true),
        ("KAFKA_CLUSTER_ID", "CLUSTER_ID", true),
        ("SPRING_JPA_HIBERNATE_DDL_AUTO", "ddl-auto", true),
        ("spring.jpa.hibernate.ddl-auto", "ddl-auto", true),
        ("STORAGE_BACKEND", "storage-backend", true),
        ("--name", "--name", true),
        ("--hostname", "--name", false),
        ("AUTOSAVE", "save", false),
    ] {
        assert_eq!(is_named(text, word), is, "{text}");
    }
}

fn told(image: &str, form: Form, settings: &[(&str, &str)]) -> Told {
    let workload = Ref::new("apps", "StatefulSet", "n", "store");
    let one = |(name, text): &(&str, &str)| Setting {
        name: name.rsplit_once('/').map_or(*name, |(_, name)| name).into(),
        block: name.rsplit_once('/').map_or("", |(block, _)| block).into(),
        text: (*text).into(),
        form,
        is_item: false,
        is_beside: false,
        object: workload.clone(),
        field: "/x".into(),
    };
    let arguments: Vec<&str> = settings.iter().map(|(name, _)| *name).collect();
    Told {
        image: image.into(),
        mounts: Vec::new(),
        settings: settings.iter().map(one).collect(),
        variables: Vec::new(),
        of_pod: BTreeMap::new(),
        sources: 0,
        arguments: arguments.join(" "),
        texts: Vec::new(),
        left_out: std::collections::BTreeSet::new(),
        bare: Vec::new(),
        operands: Vec::new(),
        today: None,
        workload: workload.clone(),
        pointer: String::new(),
    }
}

fn found(image: &str, form: Form, old: &[(&str, &str)], new: &[(&str, &str)]) -> Option<String> {
    change([&told(image, form, old), &told(image, form, new)]).map(|change| change.reason)
}

#[test]
fn what_decides_about_data_is_named_when_it_changes() {
    use Form::{Argument, Line, Variable};
    for (image, form, old, new, is) in [
        ("redis:7", Line, ("dir", "/data"), ("replicaof", "other 6379"), true),
        ("redis:7", Argument, ("--maxmemory-policy", "noeviction"), ("--maxmemory-policy", "allkeys-lru"), true),
        ("postgres:15", Argument, ("fsync", "on"), ("fsync", "off"), true),
        ("rabbitmq:3", Variable, ("A", "b"), ("RABBITMQ_USE_LONGNAME", "true"), true),
        (
            "prometheus:2",
            Argument,
            ("--storage.tsdb.retention.time", "365d"),
            ("--storage.tsdb.retention.time", "1d"),
            true,
        ),
        (
            "prometheus:2",
            Argument,
            ("--storage.tsdb.retention.time", "15d"),
            ("--storage.tsdb.retention.time", "30d"),
            false,
        ),
        ("prometheus:2", Argument, ("--storage.tsdb.retention.time", "15d"), ("--web.listen", ":9090"), true),
        ("app:1", Variable, ("STORAGE_BACKEND", "filesystem"), ("STORAGE_BACKEND", "memory"), true),
        ("app:1", Variable, ("DROP_ON_START", "false"), ("DROP_ON_START", "true"), true),
        ("app:1", Variable, ("DROP_ON_START", "true"), ("DROP_ON_START", "false"), false),
        ("app:1", Argument, ("serve", ""), ("--clean-data", ""), true),
        ("app:1", Argument, ("serve", ""), ("--clean", "false"), false),
        ("app:1", Argument, ("db:migrate", ""), ("db:drop", ""), true),
        ("app:1", Argument, ("serve", ""), ("--drop-privileges", ""), false),
        ("app:1", Variable, ("LOG", "info"), ("RESET_METRICS", "true"), false),
    ] {
        let said = found(image, form, &[old], &[new]);
        assert_eq!(said.is_some(), is, "{image} {old:?} -> {new:?}: {said:?}");
    }
}

#[test]
fn settings_say_to_whom_data_belongs_and_how_it_is_laid_out() {
    use Form::{Argument, Line, Variable};
    for (image, form, old, new) in [
        ("couchdb:3", Variable, ("NODENAME", "couchdb-0.a"), ("NODENAME", "couchdb-0.b")),
        ("bitnami/zookeeper:3.9", Variable, ("ZOO_SERVER_ID", "1"), ("ZOO_SERVER_ID", "2")),
        ("app:1", Variable, ("CASSANDRA_DATACENTER", "dc1"), ("CASSANDRA_DATACENTER", "dc2")),
        ("app:1", Variable, ("WORDPRESS_TABLE_PREFIX", "wp_"), ("WORDPRESS_TABLE_PREFIX", "wp2_")),
        ("app:1", Variable, ("APP_DB", "orders"), ("APP_DB", "sales")),
        ("app:1", Argument, ("serve", ""), ("--no-fsync", "")),
        ("app:1", Argument, ("serve", ""), ("--restore-from", "latest")),
        ("app:1", Variable, ("AUTO_DELETE", "false"), ("AUTO_DELETE", "true")),
        ("app:1", Variable, ("RAILS_ENV", "production"), ("RAILS_ENV", "staging")),
        ("app:1", Variable, ("SPRING_PROFILES_ACTIVE", "prod"), ("SPRING_PROFILES_ACTIVE", "dev")),
        ("geth:1", Argument, ("--network", "mainnet"), ("--network", "sepolia")),
        ("geth:1", Argument, ("--mainnet", ""), ("--sepolia", "")),
        ("app:1", Variable, ("BACKUP_KEEP_DAYS", "30"), ("BACKUP_KEEP_DAYS", "1")),
        ("jaeger:1", Variable, ("BADGER_SPAN_STORE_TTL", "720h"), ("BADGER_SPAN_STORE_TTL", "1h")),
        ("vault:1", Argument, ("server", ""), ("-dev", "")),
        ("app:1", Variable, ("KC_DB", "postgres"), ("KC_DB", "dev-file")),
        ("app:1", Variable, ("DB_DSN", "sqlite://a.db"), ("DB_DSN", "sqlite://b.db")),
        ("app:1", Variable, ("DB_DSN", "jdbc:h2:file:./a"), ("DB_DSN", "jdbc:h2:mem:a")),
        ("app:1", Variable, ("DB_DSN", "jdbc:h2:file:/data/a"), ("DB_DSN", "jdbc:h2:mem:a")),
        ("app:1", Variable, ("DB_DSN", "postgres://db/a"), ("DB_DSN", "sqlite://a.db")),
        ("vault:1", Line, ("storage/node_id", "\"a\""), ("storage/node_id", "\"b\"")),
        ("consul:1", Argument, ("-datacenter", "dc1"), ("-datacenter", "dc2")),
        ("consul:1", Argument, ("-server", ""), ("-ui", "")),
        ("clickhouse-server:23", Line, ("shard", "0"), ("shard", "1")),
        ("mongodb:6", Variable, ("MONGODB_REPLICA_SET_NAME", "rs0"), ("MONGODB_REPLICA_SET_NAME", "rs1")),
        ("grafana/loki:2", Line, ("auth_enabled", "false"), ("auth_enabled", "true")),
        ("app:1", Line, ("schema_config.configs/store", "boltdb"), ("schema_config.configs/store", "tsdb")),
        ("app:1", Line, ("schema_config.configs.index/prefix", "a_"), ("schema_config.configs.index/prefix", "b_")),
        ("gitaly:16", Line, ("storage/name", "default"), ("storage/name", "main")),
        ("grafana/grafana:10", Line, ("database/path", "a.db"), ("database/path", "b.db")),
        ("kafka:3", Variable, ("KAFKA_ZOOKEEPER_CONNECT", "zk:2181"), ("KAFKA_ZOOKEEPER_CONNECT", "zk:2181/kafka")),
        ("kafka:3", Variable, ("KAFKA_CFG_LOG_CLEANUP_POLICY", "compact"), ("KAFKA_CFG_LOG_CLEANUP_POLICY", "delete")),
        ("prometheus:2", Argument, ("--enable-feature", "a"), ("--enable-feature", "agent")),
        ("minio:1", Variable, ("MINIO_KMS_SECRET_KEY", "k"), ("A", "b")),
        ("vault:1", Line, ("storage", "\"file\" {"), ("storage", "\"raft\" {")),
        ("openbao:2", Line, ("storage.file/path", "/d"), ("storage.raft/path", "/d")),
        ("cockroach:v24.1.0", Argument, ("--store", "path=d"), ("--store", "type=mem,size=1GB")),
        (
            "neo4j:5",
            Variable,
            ("NEO4J_initial_dbms_default__database", "a"),
            ("NEO4J_initial_dbms_default__database", "b"),
        ),
        // The same setting of another block.
        ("grafana/grafana:10", Line, ("database/path", "a.db"), ("log/path", "a.db")),
    ] {
        assert!(found(image, form, &[old], &[new]).is_some(), "{image} {old:?} -> {new:?}");
        assert_eq!(found(image, form, &[old], &[old]), None, "{image} {old:?}");
    }
    for (image, form, old, new) in [
        // A name comes that was not given: the program had its own.
        ("app:1", Variable, ("A", "b"), ("CLUSTER_NAME", "c")),
        ("kafka:3", Variable, ("KAFKA_ZOOKEEPER_CONNECT", "zk:2181"), ("KAFKA_ZOOKEEPER_CONNECT", "zk-1:2181")),
        ("app:1", Variable, ("BACKUP_KEEP_DAYS", "1"), ("BACKUP_KEEP_DAYS", "30")),
        ("app:1", Variable, ("CACHE_TTL", "30"), ("CACHE_TTL", "1")),
        ("app:1", Variable, ("DB_DSN", "sqlite://a.db"), ("DB_DSN", "sqlite://a.db?_timeout=5")),
        ("app:1", Line, ("auth_enabled", "false"), ("auth_enabled", "true")),
        ("app:1", Line, ("limits_config/store", "a"), ("limits_config/store", "b")),
        ("grafana/grafana:10", Line, ("dashboards/path", "/a"), ("dashboards/path", "/b")),
        ("prometheus:2", Argument, ("--enable-feature", "a"), ("--enable-feature", "b")),
    ] {
        assert_eq!(found(image, form, &[old], &[new]), None, "{image} {old:?} -> {new:?}");
    }
}

#[test]
fn a_layout_by_time_is_about_data_from_a_day_on() {
    use Form::Line;
    let days = |days: &[&str]| -> Vec<(&str, String)> {
        days.iter().map(|day| ("schema_config.configs/from", (*day).to_owned())).collect()
    };
    let on_day = |old: &[&str], new: &[&str]| {
        let both = [days(old), days(new)].map(|all| {
            let all: Vec<(&str, &str)> = all.iter().map(|(name, day)| (*name, day.as_str())).collect();
            told("grafana/loki:2", Line, &all).on(Some(1_790_000_000))
        });
        change([&both[0], &both[1]]).is_some()
    };
    assert!(on_day(&["2024-01-01"], &["2024-01-01", "2025-01-01"]), "it is about data that is there");
    assert!(!on_day(&["2024-01-01"], &["2024-01-01", "2027-01-01"]), "it is about data to come");
    let schema = |day: &str| {
        let lines = [("schema_config.configs/from", day), ("schema_config.configs/schema", "v13")];
        told("grafana/loki:3", Line, &lines).on(Some(1_790_000_000)).has("schema=v13")
    };
    assert!(schema("2024-01-01") && !schema("2027-01-01"), "a later part does not hold yet");
    // A layout that is added for later days leaves the old one as it is.
    let layout = ("schema_config.configs/store", "boltdb");
    assert_eq!(found("app:1", Line, &[layout], &[layout, ("schema_config.configs/store", "tsdb")]), None);
}

#[test]
fn a_setting_that_keeps_its_text_keeps_its_name_and_its_block() {
    use Form::{Argument, Line, Variable};
    for (form, old, new, is) in [
        (Variable, ("APP_DB", "orders"), ("DB", "orders"), true),
        (Variable, ("APP_PROFILE", "main"), ("APP_MODE", "main"), true),
        (Variable, ("APP_DB", "3"), ("DB", "3"), true),
        (Argument, ("--queue", "orders"), ("--topic", "orders"), true),
        (Line, ("store/engine", "rocks"), ("engine", "rocks"), true),
        (Line, ("store/engine", "\"rocks\","), ("db/engine", "rocks"), true),
        (Variable, ("APP_LOG_LEVEL", "verbose"), ("LOG_LEVEL", "verbose"), false),
        (Variable, ("APP_WORKERS", "3"), ("WORKERS", "3"), false),
        (Variable, ("APP_FAST", "true"), ("FAST", "true"), false),
        (Variable, ("APP_TZ", "Europe/Berlin"), ("TZ", "Europe/Berlin"), false),
        (Variable, ("APP_PASSWORD", "orders"), ("DB_PASSWORD", "orders"), false),
        (Line, ("server/port", "8080"), ("http/port", "8080"), false),
        // Another text is another setting.
        (Variable, ("APP_THEME", "orders"), ("THEMES", "sales"), false),
    ] {
        assert_eq!(found("app:1", form, &[old], &[new]).is_some(), is, "{old:?} -> {new:?}");
    }
    let both = [("APP_MODE", "main"), ("MODE", "main")];
    assert_eq!(found("app:1", Variable, &both[..1], &both), None, "the old one stays");
    let put_in = |text: &str, settings: &[(&str, &str)]| {
        let mut told = told("app:1", Variable, settings);
        told.texts.push(text.to_owned());
        told
    };
    let (old, new) = (put_in("--mode=$(APP_MODE)", &both[..1]), put_in("--mode=$(MODE)", &both[1..]));
    assert!(change([&old, &new]).is_none(), "the flag says the same");
    assert!(change([&old, &put_in("--mode=$(APP_MODE)", &both[1..])]).is_some());
}

#[test]
fn a_folder_below_another_is_named_when_it_changes() {
    use Form::{Argument, Line, Variable};
    for (form, old, new, is) in [
        (Line, ("dir", "data"), ("dir", "data2"), true),
        (Line, ("storage/dataDir", "./a"), ("storage/dataDir", "./b"), true),
        (Line, ("dir", "data"), ("level", "info"), true),
        (Variable, ("STORE_DIRECTORY", "a"), ("STORE_DIRECTORY", "b"), true),
        (Argument, ("--dir", "a"), ("--dir", "b"), true),
        (Line, ("log_dir", "a"), ("log_dir", "b"), false),
        (Variable, ("PLUGINS_DIR", "a"), ("PLUGINS_DIR", "b"), false),
        (Line, ("tlsFolder", "a"), ("tlsFolder", "b"), false),
        (Line, ("logging/dir", "a"), ("logging/dir", "b"), false),
        (Line, ("dir", "off"), ("dir", "false"), false),
        // What is a place is compared as one.
        (Line, ("dir", "/a"), ("dir", "/b"), false),
    ] {
        assert_eq!(found("app:1", form, &[old], &[new]).is_some(), is, "{old:?} -> {new:?}");
    }
}

#[test]
fn what_only_looks_as_if_it_kept_data_says_nothing() {
    use Form::{Line, Variable};
    for (form, new, is) in [
        (Line, ("telemetry/prometheus_retention_time", "30s"), false),
        (Line, ("storage/prometheus_retention_time", "30s"), true),
        (Variable, ("ETCD_AUTO_COMPACTION_RETENTION", "24"), false),
        (Variable, ("LOG_RETENTION", "24"), true),
    ] {
        assert_eq!(found("app:1", form, &[("A", "b")], &[new]).is_some(), is, "{new:?}");
    }
}

#[test]
fn a_limit_of_data_does_not_fall() {
    use Form::{Argument, Line, Variable};
    let evicting = ("maxmemory-policy", "allkeys-lru");
    for (image, form, old, new, is) in [
        ("app:1", Variable, vec![("MAX_DISK_SIZE", "50GB")], vec![("MAX_DISK_SIZE", "5GB")], true),
        ("app:1", Variable, vec![("MAX_DISK_SIZE", "5GB")], vec![("MAX_DISK_SIZE", "50GB")], false),
        ("app:1", Argument, vec![("--max-size", "10Gi")], vec![("--max-size", "1Gi")], true),
        ("app:1", Argument, vec![("serve", "")], vec![("--max-size", "1Gi")], true),
        ("app:1", Line, vec![("storage/max_bytes", "100")], vec![("storage/max_bytes", "10")], true),
        ("app:1", Line, vec![("pool/max_size", "100")], vec![("pool/max_size", "10")], false),
        ("app:1", Variable, vec![("MAX_CONNECTIONS", "100")], vec![("MAX_CONNECTIONS", "10")], false),
        ("app:1", Line, vec![("spans/ttl", "30d")], vec![("spans/ttl", "1d")], true),
        ("app:1", Line, vec![("spans/ttl", "30d")], vec![("spans/ttl", "720h")], false),
        ("app:1", Line, vec![("retention/period", "30d")], vec![("retention/period", "1d")], true),
        ("app:1", Variable, vec![("DELETE_AFTER_DAYS", "30")], vec![("DELETE_AFTER_DAYS", "3")], true),
        ("redis:7", Line, vec![("maxmemory", "2gb"), evicting], vec![("maxmemory", "1gb"), evicting], true),
        ("redis:7", Line, vec![("maxmemory", "1gb"), evicting], vec![("maxmemory", "2gb"), evicting], false),
        // It refuses what is written beyond it.
        ("redis:7", Line, vec![("maxmemory", "2gb")], vec![("maxmemory", "1gb")], false),
    ] {
        assert_eq!(found(image, form, &old, &new).is_some(), is, "{old:?} -> {new:?}");
    }
}

#[test]
fn a_path_that_begins_where_the_program_does_stays() {
    use Form::{Argument, Line, Variable};
    for (form, old, new, is) in [
        (Argument, ("--path", "./data/a"), ("--path", "./data/b"), true),
        (Argument, ("--path", "./data/a"), ("--path", "data/a/"), false),
        (Argument, ("-d", "data/a"), ("-d", "data/b"), true),
        (Argument, ("-d", "data/a"), ("-x", "1"), true),
        (Variable, ("DB_FILE", "var/a.db"), ("DB_FILE", "var/b.db"), true),
        (Line, ("storage/path", "var/a"), ("storage/path", "var/b"), true),
        (Variable, ("LOG_FILE", "./log/a"), ("LOG_FILE", "./log/b"), false),
        (Variable, ("TZ", "Europe/Berlin"), ("TZ", "Europe/Paris"), false),
        (Variable, ("CONTENT", "text/html"), ("CONTENT", "text/plain"), false),
        (Argument, ("--path", "/a"), ("--path", "/b"), false),
    ] {
        assert_eq!(found("app:1", form, &[old], &[new]).is_some(), is, "{old:?} -> {new:?}");
    }
}

#[test]
fn the_address_of_a_database_does_not_go_alone() {
    let old = [("SONAR_JDBC_URL", "jdbc:postgresql://pg/sonar")];
    let of = |new: &[(&str, &str)]| found("app:1", Form::Variable, &old, new);
    assert!(of(&[("LEVEL", "info")]).is_some());
    assert_eq!(of(&[("DATABASE_URL", "postgres://pg/sonar")]), None);
    let (before, mut after) = (told("app:1", Form::Variable, &old), told("app:1", Form::Variable, &[("A", "b")]));
    after.variables.push("SONAR_JDBC_URL".into());
    assert!(change([&before, &after]).is_none(), "it comes out of a Secret that is not read");
}
