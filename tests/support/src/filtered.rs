//! A test in a process of its own, whose threads are filtered as a VMM filters them.

use std::collections::BTreeMap;
use std::io;

use seccompiler::{BpfProgram, SeccompAction, SeccompFilter, SeccompRule, apply_filter};
use vuart_seccomp::Rules;

use crate::{part, play};

/// What a process says that has made a refused call.
const REFUSES: &str = "the filter refuses system call";

/// The part that a test plays in its own process.
const PART: &str = "filtered";

/// Runs `test`, which is the test of this name, in a process of its own. A call that a [filter](allow) refuses there is named, and
/// fails the test.
pub fn in_a_process(name: &str, test: impl FnOnce()) {
    if let Some(said) = refusal(name, test) {
        panic!("{said}");
    }
}

/// The same. Returns what the process has said if a call was refused there.
pub fn refusal(name: &str, test: impl FnOnce()) -> Option<String> {
    if part().is_some_and(|part| part == PART) {
        report_refused_calls();
        test();
        return None;
    }
    let output = play(name, PART, |command| command);
    let said =
        [output.stdout, output.stderr].map(|said| String::from_utf8_lossy(&said).into_owned()).concat();
    if said.contains(REFUSES) {
        return Some(said);
    }
    assert!(output.status.success(), "{}\n{said}", output.status);
    assert!(said.contains("1 passed"), "{name} is not the name of a test: {said}");
    None
}

/// Allows this thread, and those that it makes, these calls from now on, and no others.
///
/// # Errors
///
/// When the kernel takes no filter.
pub fn allow(rules: &Rules) -> io::Result<()> {
    allow_also(rules, [])
}

/// The same, with calls that the test makes itself: their numbers, and what their second arguments must be (nothing: anything).
///
/// # Errors
///
/// When the kernel takes no filter.
pub fn allow_also<const N: usize>(rules: &Rules, own: [(i64, &[u64]); N]) -> io::Result<()> {
    let mut map = rules.to_seccompiler().map_err(io::Error::other)?;
    for (call, second) in own {
        add(&mut map, call, second).map_err(io::Error::other)?;
    }
    let filter = SeccompFilter::new(
        map,
        SeccompAction::Trap,
        SeccompAction::Allow,
        std::env::consts::ARCH.try_into().map_err(io::Error::other)?,
    );
    let program: BpfProgram = filter.and_then(TryInto::try_into).map_err(io::Error::other)?;
    apply_filter(&program).map_err(io::Error::other)
}

fn add(
    map: &mut BTreeMap<i64, Vec<SeccompRule>>,
    call: i64,
    second: &[u64],
) -> Result<(), seccompiler::BackendError> {
    use seccompiler::{SeccompCmpArgLen::Dword, SeccompCmpOp::Eq, SeccompCondition};
    let is_any = map.get(&call).is_some_and(Vec::is_empty);
    let rules = map.entry(call).or_default();
    if second.is_empty() {
        rules.clear();
    } else if !is_any {
        for value in second {
            rules.push(SeccompRule::new(vec![SeccompCondition::new(1, Dword, Eq, *value)?])?);
        }
    }
    Ok(())
}

/// Says which call was refused, and ends the process.
fn report_refused_calls() {
    extern "C" fn report(_: libc::c_int, info: *mut libc::siginfo_t, context: *mut libc::c_void) {
        /// The place of the call's number in `siginfo_t`, with 64-bit pointers.
        const NUMBER: usize = 24;
        // SAFETY: the kernel gives a handler with SA_SIGINFO the information, and that of SIGSYS has the number there.
        let number = unsafe { info.byte_add(NUMBER).cast::<u32>().read_unaligned() };
        say(REFUSES.as_bytes(), number.into());
        #[cfg(target_arch = "x86_64")]
        for (name, register) in [
            ("its second argument is", libc::REG_RSI),
            ("the third", libc::REG_RDX),
            ("the fourth", libc::REG_R10),
        ] {
            // SAFETY: the third argument of such a handler is the context, whose registers are the call's arguments.
            let value = unsafe {
                (*context.cast::<libc::ucontext_t>()).uc_mcontext.gregs[register.cast_unsigned() as usize]
            };
            say(name.as_bytes(), value.cast_unsigned());
        }
        #[cfg(not(target_arch = "x86_64"))]
        let _ = context;
        // SAFETY: the call is safe in a signal handler. A filter that refuses it ends the process as well.
        unsafe { libc::_exit(1) };
    }
    // SAFETY: all zeros is a valid `sigaction`.
    let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
    action.sa_sigaction = report as *const () as usize;
    action.sa_flags = libc::SA_SIGINFO;
    // SAFETY: the handler is one for SA_SIGINFO.
    assert_eq!(unsafe { libc::sigaction(libc::SIGSYS, &raw const action, std::ptr::null_mut()) }, 0);
}

/// Writes a text and a number in a signal handler, which may not allocate.
fn say(text: &[u8], number: u64) {
    const DIGITS: usize = 20;
    let mut digits = [b' '; DIGITS + 1];
    digits[DIGITS] = b'\n';
    let mut left = number;
    for digit in digits[..DIGITS].iter_mut().rev() {
        *digit = b'0' + u8::try_from(left % 10).unwrap_or(0);
        left /= 10;
        if left == 0 {
            break;
        }
    }
    for part in [text, &digits] {
        // SAFETY: the call is safe in a signal handler, and the text is as long as is said.
        unsafe { libc::write(libc::STDERR_FILENO, part.as_ptr().cast(), part.len()) };
    }
}
