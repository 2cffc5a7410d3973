//! Runs a test in a process of its own, whose threads may be filtered.

use std::io;
use std::process::Command;

use seccompiler::{BpfProgram, SeccompAction, SeccompFilter, apply_filter};
use vuart::seccomp::Rules;

/// Set in the process of its own, to the name of the test.
const VARIABLE: &str = "VUART_FILTERED_TEST";

/// Runs `test`, which is the test of this name, in a process of its own. There a call that a filter refuses is reported, and fails the test.
pub(crate) fn in_a_process(name: &str, test: impl FnOnce()) {
    if std::env::var_os(VARIABLE).is_some_and(|running| running == name) {
        report_refused_calls();
        test();
        return;
    }
    let program = std::env::current_exe().unwrap();
    let output = Command::new(program)
        .args(["--exact", name, "--nocapture", "--test-threads=1"])
        .env(VARIABLE, name)
        .output()
        .unwrap();
    let said =
        [output.stdout, output.stderr].map(|said| String::from_utf8_lossy(&said).into_owned()).concat();
    assert!(output.status.success(), "{}\n{said}", output.status);
    assert!(said.contains("1 passed"), "{name} is not the name of a test: {said}");
}

/// Allows this thread these calls from now on, and no others.
pub(crate) fn allow(rules: &Rules) -> Result<(), io::Error> {
    let filter = SeccompFilter::new(
        rules.to_seccompiler().map_err(io::Error::other)?,
        SeccompAction::Trap,
        SeccompAction::Allow,
        std::env::consts::ARCH.try_into().map_err(io::Error::other)?,
    );
    let program: BpfProgram = filter.and_then(TryInto::try_into).map_err(io::Error::other)?;
    apply_filter(&program).map_err(io::Error::other)
}

/// The exit status of a process that has made a refused call.
const REFUSED: i32 = 159;

/// Says which call was refused, and ends the process.
fn report_refused_calls() {
    extern "C" fn report(_: libc::c_int, info: *mut libc::siginfo_t, _: *mut libc::c_void) {
        /// The place of the call's number in `siginfo_t`, with 64-bit pointers.
        const NUMBER: usize = 24;
        // SAFETY: the kernel gives a handler with SA_SIGINFO the information, and that of SIGSYS has the number there.
        let number = unsafe { info.byte_add(NUMBER).cast::<u32>().read_unaligned() };
        let mut text = *b"the filter refuses system call     \n";
        let mut left = number;
        for place in (31..35).rev() {
            let [digit, ..] = (left % 10).to_le_bytes();
            text[place] = b'0' + digit;
            left /= 10;
        }
        // SAFETY: both calls are safe in a signal handler, and the text is as long as is said. A filter that refuses `write` or
        // `exit_group` ends the process as well.
        unsafe {
            libc::write(libc::STDERR_FILENO, text.as_ptr().cast(), text.len());
            libc::_exit(REFUSED);
        }
    }
    // SAFETY: all zeros is a valid `sigaction`.
    let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
    action.sa_sigaction = report as *const () as usize;
    action.sa_flags = libc::SA_SIGINFO;
    // SAFETY: the handler is one for SA_SIGINFO.
    assert_eq!(unsafe { libc::sigaction(libc::SIGSYS, &raw const action, std::ptr::null_mut()) }, 0);
}
