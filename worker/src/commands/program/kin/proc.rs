//! Processes as `/proc` shows them. Everything here blocks.

use std::fs;

use super::MARK;
use super::trace::Member;

/// Every process that is no zombie, this one left out.
pub(super) fn all() -> Vec<Member> {
    let own = std::process::id().to_string();
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
    names.filter(|name| *name != own).filter_map(|name| living(name.parse().ok()?)).collect()
}

/// One process, a zombie as well.
pub(super) fn member(pid: i32) -> Option<Member> {
    parse(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?).map(|(member, _)| member)
}

fn living(pid: i32) -> Option<Member> {
    let (member, state) = parse(&read(pid, "stat"))?;
    (!matches!(state, 'Z' | 'X')).then_some(member)
}

/// Names need not be UTF-8.
fn read(pid: i32, file: &str) -> String {
    let bytes = fs::read(format!("/proc/{pid}/{file}")).unwrap_or_default();
    String::from_utf8_lossy(&bytes).into_owned()
}

/// `pid (name) state parent group session ...`; the name may hold parentheses and spaces.
fn parse(stat: &str) -> Option<(Member, char)> {
    let (front, rest) = stat.rsplit_once(')')?;
    let (pid, name) = front.split_once('(')?;
    let fields: Vec<&str> = rest.split_ascii_whitespace().collect();
    let number = |at: usize| fields.get(at)?.parse::<i32>().ok();
    let member = Member {
        pid: pid.trim().parse().ok()?,
        parent: number(1)?,
        group: number(2)?,
        session: number(3)?,
        start: fields.get(19)?.parse().ok()?,
        name: name.to_owned(),
    };
    Some((member, fields.first()?.chars().next()?))
}

/// Whether a process began with this token in its mark. `false` for processes of other users.
pub(super) fn has_mark(pid: i32, token: &str) -> bool {
    marks(&read(pid, "environ")).any(|mark| mark == token)
}

/// Whether a process has the mark of any program.
pub(super) fn has_any_mark(pid: i32) -> bool {
    marks(&read(pid, "environ")).next().is_some()
}

fn marks(environ: &str) -> impl Iterator<Item = &str> {
    let values =
        environ.split('\0').filter_map(|entry| entry.strip_prefix(MARK)?.strip_prefix('='));
    values.flat_map(|value| value.split(':'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_stat() {
        let rest = "4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 4242 20 21";
        let (member, state) = parse(&format!("77 (a) (b) S 1 2 3 {rest}")).expect("sound");
        assert_eq!((member.pid, member.name.as_str(), state), (77, "a) (b", 'S'));
        assert_eq!((member.parent, member.group, member.session), (1, 2, 3));
        assert_eq!(member.start, 4242);
        assert!(parse("").is_none() && parse("1 (x) S").is_none());
    }

    #[test]
    fn marks_in_an_environment() {
        let environ = "A=b\0BUILDBOT_STEP=o:t\0BUILDBOT_STEPS=no\0";
        assert_eq!(marks(environ).collect::<Vec<_>>(), ["o", "t"]);
        assert_eq!(marks("A=b\0").next(), None);
    }

    #[test]
    fn this_machine() {
        let own = i32::try_from(std::process::id()).expect("a process id");
        assert!(member(own).is_some_and(|member| member.start > 0));
        assert!(!all().iter().any(|member| member.pid == own));
        assert!(all().iter().any(|member| member.pid == nix::unistd::getppid().as_raw()));
    }
}
