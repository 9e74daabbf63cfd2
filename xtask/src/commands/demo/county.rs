//! The invented county of the demo: its sites, devices and people. Nobody in it exists; the samples come from the same places.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::{Doing, Failure, Result};

/// Code, name, kind. A code begins the AE titles of the site's devices.
const SITES: &[(&str, &str, &str)] = &[
    ("XRM", "示例县人民医院", "county"),
    ("QH", "青禾镇中心卫生院", "township"),
    ("LW", "柳湾镇卫生院", "township"),
    ("SQ", "石桥镇卫生院", "township"),
    ("LB", "岭北镇卫生院", "township"),
    ("BT", "白塘镇卫生院", "township"),
    ("NP", "南屏镇卫生院", "township"),
    ("SJ", "双井镇卫生院", "township"),
    ("YT", "云台乡卫生院", "township"),
    ("SK", "松口镇卫生院", "township"),
    ("DD", "东渡镇卫生院", "township"),
    ("ML", "梅岭乡卫生院", "township"),
    ("ZX", "竹溪镇卫生院", "township"),
    ("FL", "枫林乡卫生院", "township"),
    ("HX", "河西社区卫生服务中心", "community"),
    ("CD", "长堤社区卫生服务中心", "community"),
];

/// CT stands at the larger places only.
const SITES_WITH_CT: &[&str] = &["XRM", "QH", "SQ", "LB"];

pub struct Account {
    pub login: &'static str,
    pub name: &'static str,
    pub title: &'static str,
    pub role: &'static str,
    pub site: Option<&'static str>,
    pub modalities: Option<&'static str>,
    pub password: String,
}

impl Account {
    pub fn reads(&self) -> bool {
        matches!(self.role, "specialist" | "reviewer")
    }
}

type Line = (&'static str, &'static str, &'static str, &'static str, Option<&'static str>, Option<&'static str>);

/// Login, name, title, role, site, modalities.
#[rustfmt::skip]
const PEOPLE: &[Line] = &[
    ("wu",    "吴样例", "技师",       "operator",   Some("QH"),  None),
    ("he",    "何演示", "技师",       "operator",   Some("XRM"), None),
    ("sun",   "孙试用", "全科医师",   "clinician",  Some("QH"),  None),
    ("zhou",  "周示例", "主治医师",   "specialist", None,        Some("CT,DX,CR,US")),
    ("zheng", "郑样例", "主治医师",   "specialist", None,        Some("CT,DX,CR")),
    ("feng",  "冯演示", "主治医师",   "specialist", None,        Some("US")),
    ("chen",  "陈试用", "医师",       "specialist", None,        Some("DX,CR,US")),
    ("shen",  "沈样本", "医师",       "specialist", None,        Some("CT,US")),
    ("han",   "韩示例", "医师",       "specialist", None,        Some("DX,CR,US")),
    ("qian",  "钱样例", "副主任医师", "reviewer",   None,        Some("*")),
    ("zhao",  "赵演示", "主任医师",   "reviewer",   None,        Some("*")),
    ("lin",   "林示例", "中心主任",   "manager",    None,        None),
    ("admin", "信息科", "工程师",     "admin",      None,        None),
];

/// What seeding hands to the rest of the demo.
pub struct County {
    pub accounts: Vec<Account>,
    /// The integrator's token, for DICOMweb.
    pub token: String,
}

impl County {
    pub fn account_of(&self, role: &str) -> Result<&Account> {
        let found = self.accounts.iter().find(|account| account.role == role);
        found.ok_or_else(|| Failure::new(format!("the county has no {role}")))
    }
}

/// Fills an empty data directory by the program's own commands, as an engineer would.
pub fn seed(yunying: &Path, data: &Path) -> Result<County> {
    let program = Administration { yunying, data };
    for (code, name, kind) in SITES {
        program.run(&["site", "add", "--code", code, "--name", name, "--kind", kind], "")?;
        let ct = SITES_WITH_CT.contains(code).then_some(("CT", "CT"));
        for (kind, modality) in [("US", "US"), ("DR", "DX")].into_iter().chain(ct) {
            let ae = format!("{code}_{kind}01");
            let network = "127.0.0.0/8";
            program.run(
                &["device", "add", "--ae", &ae, "--site", code, "--modality", modality, "--network", network],
                "",
            )?;
        }
        eprint!(".");
    }
    let mut accounts = Vec::new();
    for &(login, name, title, role, site, modalities) in PEOPLE {
        let password = password()?;
        let mut words = vec!["user", "add", "--login", login, "--name", name, "--title", title, "--role", role];
        words.extend(site.iter().flat_map(|site| ["--site", site]));
        words.extend(modalities.iter().flat_map(|modalities| ["--modalities", modalities]));
        words.push("--password-stdin");
        program.run(&words, &password)?;
        accounts.push(Account { login, name, title, role, site, modalities, password });
        eprint!(".");
    }
    let token = program.run(&["token", "add", "--name", "demo", "--role", "integrator"], "")?;
    eprintln!(" {} sites, {} accounts", SITES.len(), accounts.len());
    Ok(County { accounts, token })
}

struct Administration<'a> {
    yunying: &'a Path,
    data: &'a Path,
}

impl Administration<'_> {
    /// One command of the program; gives back what it printed.
    fn run(&self, words: &[&str], input: &str) -> Result<String> {
        let said = format_args!("yunying {}", words.join(" ")).to_string();
        let mut child = Command::new(self.yunying)
            .args(words)
            .arg("--data")
            .arg(self.data)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .doing(&said)?;
        if let Some(mut stdin) = child.stdin.take() {
            // A command that takes no input may have closed it; whether it succeeded is asked below.
            match stdin.write_all(input.as_bytes()) {
                Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => return Err(error).doing(&said),
                _ => {}
            }
        }
        let output = child.wait_with_output().doing(&said)?;
        if !output.status.success() {
            return Err(Failure::new(format!("{said}: {}", String::from_utf8_lossy(&output.stderr).trim())));
        }
        Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    }
}

/// Twelve characters that nobody confuses, from the system's random source.
fn password() -> Result<String> {
    const LETTERS: &[u8; 32] = b"abcdefghjkmnpqrstuvwxyz234567890";
    let mut random = [0; 12];
    let mut source = std::fs::File::open("/dev/urandom").doing("the random source")?;
    std::io::Read::read_exact(&mut source, &mut random).doing("the random source")?;
    let letters = random.iter().map(|byte| char::from(LETTERS[usize::from(byte % 32)]));
    let mut password = String::new();
    for (place, letter) in letters.enumerate() {
        if place > 0 && place % 4 == 0 {
            password.push('-');
        }
        password.push(letter);
    }
    Ok(password)
}
