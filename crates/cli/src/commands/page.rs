use std::time::Instant;

use model::{Code, Exit, Finding, Ref, SecretKey};
use recipe::{PageOp, PageReading};
use rehearse::{Op, Options, ScriptLine, Subject, World};
use serde_json::json;

use crate::args::{Global, PageArgs};
use crate::output::Output;
use crate::prepare;
use crate::site::Site;
