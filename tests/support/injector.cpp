// Makes a thread of another process make a system call, as an intruder would who has taken it over:
//   injector TID NUMBER [ARGUMENT]...
// An argument is a number, or octets in hexadecimal digits behind "hex:", or a string; both are put below the thread's stack. The
// thread must be asleep in a system call. Prints "returned VALUE", or "ended"; a process that its filter kills for the call may
// print the former and end when it goes on. Needs CAP_SYS_PTRACE.
#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <elf.h>
#include <string>
#include <sys/ptrace.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>

namespace {

constexpr int unsupported = 77;

#if defined(__x86_64__)
constexpr int most_arguments = 6;
constexpr unsigned long instruction = 2; ///< `syscall` has two octets
constexpr unsigned long red_zone = 128;

[[noreturn]] void fail(const char* what)
{
    std::fprintf(stderr, "%s: %s\n", what, std::strerror(errno));
    std::exit(EXIT_FAILURE);
}

/// Waits for the next stop of the thread; there is none any more if the call was the end of it.
void wait_for_stop(pid_t thread)
{
    int status = 0;
    if (::waitpid(thread, &status, __WALL) < 0)
        fail("waitpid");
    if (!WIFSTOPPED(status)) {
        std::puts("ended");
        std::exit(EXIT_SUCCESS);
    }
}

/// Copies a string below the stack of the thread; its address there.
unsigned long put(pid_t thread, unsigned long& below, const std::string& text)
{
    below = (below - text.size() - 1) & ~7UL;
    for (std::size_t at = 0; at <= text.size(); at += sizeof(long)) {
        long word = 0;
        std::memcpy(&word, text.c_str() + at, std::min(sizeof word, text.size() + 1 - at));
        if (::ptrace(PTRACE_POKEDATA, thread, below + at, word) != 0)
            fail("PTRACE_POKEDATA");
    }
    return below;
}

/// What an argument that is no number stands for.
std::string octets(const std::string& word)
{
    const std::string mark = "hex:";
    if (!word.starts_with(mark))
        return word;
    std::string found;
    for (std::size_t at = mark.size(); at + 1 < word.size(); at += 2)
        found.push_back(static_cast<char>(std::stoi(word.substr(at, 2), nullptr, 16)));
    return found;
}

user_regs_struct prepared(pid_t thread, const user_regs_struct& before, int argc, char** argv)
{
    user_regs_struct call = before;
    call.rip -= instruction; // it sleeps behind one
    call.orig_rax = ~0ULL;   // not a call that a signal interrupted: nothing is begun again
    call.rax = std::strtoull(argv[2], nullptr, 0);
    unsigned long long* const places[most_arguments] = {&call.rdi, &call.rsi, &call.rdx, &call.r10, &call.r8, &call.r9};
    unsigned long below = before.rsp - red_zone;
    for (int i = 0; i < most_arguments; ++i) {
        const char* word = i + 3 < argc ? argv[i + 3] : "0";
        char* end = nullptr;
        *places[i] = static_cast<unsigned long long>(std::strtoll(word, &end, 0));
        if (*end != '\0')
            *places[i] = put(thread, below, octets(word));
    }
    call.rsp = below;
    return call;
}

int inject(int argc, char** argv)
{
    const pid_t thread = static_cast<pid_t>(std::atoi(argv[1]));
    if (::ptrace(PTRACE_SEIZE, thread, 0, PTRACE_O_TRACESYSGOOD) != 0 || ::ptrace(PTRACE_INTERRUPT, thread, 0, 0) != 0)
        fail("ptrace");
    wait_for_stop(thread);
    user_regs_struct before{};
    if (::ptrace(PTRACE_GETREGS, thread, 0, &before) != 0)
        fail("PTRACE_GETREGS");
    const long code = ::ptrace(PTRACE_PEEKTEXT, thread, before.rip - instruction, 0);
    if ((code & 0xffff) != 0x050f) {
        std::fprintf(stderr, "the thread is not in a system call\n");
        return EXIT_FAILURE;
    }
    user_regs_struct call = prepared(thread, before, argc, argv);
    if (::ptrace(PTRACE_SETREGS, thread, 0, &call) != 0)
        fail("PTRACE_SETREGS");
    for (int stop = 0; stop < 2; ++stop) { // at the entry, and at the end
        if (::ptrace(PTRACE_SYSCALL, thread, 0, 0) != 0)
            fail("PTRACE_SYSCALL");
        wait_for_stop(thread);
    }
    // A call that was interrupted to be begun again is begun again.
    constexpr long long restart_first = 512, restart_last = 516;
    if (const auto outcome = -static_cast<long long>(before.rax); outcome >= restart_first && outcome <= restart_last) {
        before.rip -= instruction;
        before.rax = before.orig_rax;
    }
    before.orig_rax = ~0ULL;
    user_regs_struct after{};
    if (::ptrace(PTRACE_GETREGS, thread, 0, &after) != 0 || ::ptrace(PTRACE_SETREGS, thread, 0, &before) != 0 ||
        ::ptrace(PTRACE_DETACH, thread, 0, 0) != 0)
        fail("ptrace");
    std::printf("returned %lld\n", static_cast<long long>(after.rax));
    return EXIT_SUCCESS;
}
#else
int inject(int, char**)
{
    std::puts("skipped: knows the registers of x86_64 only");
    return unsupported;
}
#endif

} // namespace

int main(int argc, char** argv)
{
    if (argc < 3) {
        std::fprintf(stderr, "usage: %s TID NUMBER [ARGUMENT]...\n", argv[0]);
        return EXIT_FAILURE;
    }
    return inject(argc, argv);
}
