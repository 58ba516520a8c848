// The __simple family: text, numbers, lines, the end.

#define _GNU_SOURCE
#include "check.h"
#include "parts.h"
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <sys/resource.h>
#include <xnu_emu.h>

static void strings(void) {
    CHECK_NUMBER(__simple_strlen(""), 0);
    // On the heap, so that a tool sees a look behind the end; at every alignment.
    for (int length = 0; length < 300; length++) {
        char *text = malloc((size_t)length + 1);
        NEED(text);
        memset(text, 'x', (size_t)length);
        text[length] = 0;
        for (int from = 0; from <= length && from < 17; from++) {
            CHECK_NUMBER(__simple_strlen(text + from), length - from);
        }
        free(text);
    }
}

struct number {
    const char *text;
    uint64_t value;
    int length;
};

static void check_numbers(
    uint64_t (*read_number)(const char *, const char **), const struct number *numbers, size_t count) {
    for (size_t i = 0; i < count; i++) {
        const char *end = NULL;
        CHECK_NUMBER(read_number(numbers[i].text, &end), numbers[i].value);
        CHECK_NUMBER(end - numbers[i].text, numbers[i].length);
        CHECK_NUMBER(read_number(numbers[i].text, NULL), numbers[i].value);
    }
}

static void numbers(void) {
    static const struct number decimal[] = {
        {"", 0, 0},
        {"0", 0, 1},
        {"007x", 7, 3},
        {"1234567890123456789", 1234567890123456789, 19},
        {"18446744073709551615", UINT64_MAX, 20},
        {"18446744073709551616", UINT64_MAX, 20},
        {"99999999999999999999999999 ", UINT64_MAX, 26},
        {" 1", 0, 0},
        {"-1", 0, 0},
        {"+1", 0, 0},
        {"a", 0, 0},
        {"12/", 12, 2},
        {"12:", 12, 2},
        {"12\xff", 12, 2},
    };
    check_numbers(__simple_atoi, decimal, sizeof decimal / sizeof *decimal);
    static const struct number hexadecimal[] = {
        {"", 0, 0},
        {"0", 0, 1},
        {"deadBEEFg", 0xdeadbeef, 8},
        {"0x12", 0, 1},
        {"ffffffffffffffff", UINT64_MAX, 16},
        {"10000000000000000", UINT64_MAX, 17},
        {"fedcba9876543210,", 0xfedcba9876543210, 16},
        {"@", 0, 0},
        {"`", 0, 0},
        {"G", 0, 0},
    };
    check_numbers(__simple_atoi16, hexadecimal, sizeof hexadecimal / sizeof *hexadecimal);
}

// The forms with a va_list.
static int vsn(char *out, size_t size, const char *format, ...) {
    va_list list;
    va_start(list, format);
    int result = __simple_vsnprintf(out, size, format, list);
    va_end(list);
    return result;
}

static int vs(char *out, const char *format, ...) {
    va_list list;
    va_start(list, format);
    int result = __simple_vsprintf(out, format, list);
    va_end(list);
    return result;
}

static void vf(int fd, const char *format, ...) {
    va_list list;
    va_start(list, format);
    __simple_vfprintf(fd, format, list);
    va_end(list);
}

static void v(const char *format, ...) {
    va_list list;
    va_start(list, format);
    __simple_vprintf(format, list);
    va_end(list);
}

// A list of which something was taken before.
static int behind(int taken, char *out, size_t size, const char *format, ...) {
    va_list list;
    va_start(list, format);
    for (int i = 0; i < taken; i++) {
        (void)va_arg(list, int);
        (void)va_arg(list, double);
        (void)va_arg(list, long double);
    }
    int result = __simple_vsnprintf(out, size, format, list);
    va_end(list);
    return result;
}

static const char all[] = "%s|%d|%lx|%c|%5.3u|%-4o|%p|%%|%llu|%hhd";
static const char all_printed[] = "text|-1|123456789abcdef|z|  007|10  |0x10|%|18446744073709551615|-1";
#define ALL "text", -1, 0x123456789abcdefUL, 'z', 7U, 8U, (void *)16, ULLONG_MAX, 255

static void prints_to_memory(void) {
    const int length = (int)strlen(all_printed);
    char out[128];
    for (int size = 0; size < 100; size++) {
        char wanted[128];
        memset(wanted, '#', sizeof wanted);
        int kept = size == 0 ? 0 : size - 1 < length ? size - 1 : length;
        memcpy(wanted, all_printed, (size_t)kept);
        if (size > 0) {
            wanted[kept] = 0;
        }
        memset(out, '#', sizeof out);
        CHECK_NUMBER(__simple_snprintf(out, (size_t)size, all, ALL), length);
        CHECK(memcmp(out, wanted, sizeof out) == 0);
        memset(out, '#', sizeof out);
        CHECK_NUMBER(vsn(out, (size_t)size, all, ALL), length);
        CHECK(memcmp(out, wanted, sizeof out) == 0);
    }
    CHECK_NUMBER(__simple_snprintf(NULL, 0, all, ALL), length);
    CHECK_NUMBER(__simple_snprintf(NULL, 100, all, ALL), length);
    memset(out, '#', sizeof out);
    CHECK_NUMBER(__simple_sprintf(out, all, ALL), length);
    CHECK_TEXT(out, all_printed);
    CHECK_NUMBER(out[length + 1], '#');
    memset(out, '#', sizeof out);
    CHECK_NUMBER(vs(out, all, ALL), length);
    CHECK_TEXT(out, all_printed);
    CHECK_NUMBER(__simple_sprintf(out, ""), 0);
    CHECK_TEXT(out, "");
    CHECK_NUMBER(__simple_snprintf(out, sizeof out, "%s", (char *)NULL), 6);
    CHECK_TEXT(out, "(null)");
    CHECK_NUMBER(__simple_snprintf(out, 5, "%2147483647d%d", 1, 1), -1);
    CHECK_TEXT(out, "    ");

    // What is not done stands as it is, and what follows is still in line.
    CHECK_NUMBER(__simple_snprintf(out, sizeof out, "%d %.3f %s %Lg %x", 1, 2.5, "s", (long double)3, 4), 14);
    CHECK_TEXT(out, "1 %.3f s %Lg 4");
    int count = 5;
    CHECK_NUMBER(__simple_snprintf(out, sizeof out, "a%nb%d", &count, 3), 3);
    CHECK_TEXT(out, "ab3");
    CHECK_NUMBER(count, 5);

    CHECK_NUMBER(behind(0, out, sizeof out, all, ALL), length);
    CHECK_TEXT(out, all_printed);
#define TRIPLE 1, 2.0, (long double)3
    CHECK_NUMBER(behind(1, out, sizeof out, all, TRIPLE, ALL), length);
    CHECK_TEXT(out, all_printed);
    CHECK_NUMBER(behind(5, out, sizeof out, all, TRIPLE, TRIPLE, TRIPLE, TRIPLE, TRIPLE, ALL), length);
    CHECK_TEXT(out, all_printed);
}

// What was written to a descriptor of a pipe since the last time.
static int ends[2];
static const char *written(void) {
    static char text[4096];
    ssize_t length = read(ends[0], text, sizeof text - 1);
    text[length < 0 ? 0 : length] = 0;
    return text;
}

static void prints_to_descriptors(void) {
    NEED(pipe2(ends, O_NONBLOCK) == 0);
    __simple_fprintf(ends[1], all, ALL);
    CHECK_TEXT(written(), all_printed);
    vf(ends[1], all, ALL);
    CHECK_TEXT(written(), all_printed);
    __simple_fprintf(ends[1], "%s", "");
    CHECK_TEXT(written(), "");
    // Longer than what is gathered before a write.
    char wanted[2100];
    memset(wanted, ' ', 2000);
    strcpy(wanted + 2000, "7 end");
    __simple_fprintf(ends[1], "%2001d %s", 7, "end");
    CHECK_TEXT(written(), wanted);
    // Nowhere to write to.
    __simple_fprintf(-1, all, ALL);
    vf(9999, all, ALL);
    CHECK_TEXT(written(), "");

    fflush(stdout);
    int saved = dup(1);
    NEED(saved >= 0 && dup2(ends[1], 1) == 1);
    __simple_printf(all, ALL);
    CHECK_TEXT(written(), all_printed);
    v(all, ALL);
    CHECK_TEXT(written(), all_printed);
    NEED(dup2(saved, 1) == 1);
    close(saved);
    close(ends[0]);
    close(ends[1]);
}

// Reads lines of `text`, which comes in pieces of `piece` bytes, into `size` bytes each.
static void check_lines(const char *text, size_t length, size_t piece, int size, const char *const *wanted) {
    int line_ends[2];
    NEED(pipe(line_ends) == 0);
    pid_t writer = fork();
    NEED(writer >= 0);
    if (writer == 0) {
        close(line_ends[0]);
        for (size_t at = 0; at < length; at += piece) {
            size_t count = length - at < piece ? length - at : piece;
            if (write(line_ends[1], text + at, count) != (ssize_t)count) {
                _exit(1);
            }
        }
        _exit(0);
    }
    close(line_ends[1]);
    struct simple_readline_buf *state = malloc(sizeof *state);
    char *out = malloc((size_t)size + 1);
    NEED(state && out);
    __simple_readline_init(state);
    out[size] = '#';
    for (; *wanted; wanted++) {
        char *line = __simple_readline(line_ends[0], state, out, size);
        CHECK(line == out);
        CHECK_TEXT(line, *wanted);
        CHECK_NUMBER(out[size], '#');
    }
    // The end stays the end.
    CHECK(__simple_readline(line_ends[0], state, out, size) == NULL);
    CHECK(__simple_readline(line_ends[0], state, out, size) == NULL);
    free(state);
    free(out);
    close(line_ends[0]);
    int status = -1;
    NEED(waitpid(writer, &status, 0) == writer);
    CHECK_NUMBER(status, 0);
}

static void lines(void) {
    static const struct {
        const char *text;
        int size;
        const char *lines[8];
    } cases[] = {
        {"", 80, {NULL}},
        {"\n", 80, {"", NULL}},
        {"\n\na\n\n", 80, {"", "", "a", "", NULL}},
        {"one\ntwo", 80, {"one", "two", NULL}},
        {"one\r\ntwo\r\n", 80, {"one\r", "two\r", NULL}},
        {"abcdef\ngh\n", 4, {"abc", "def", "gh", NULL}},
        {"abc\n", 4, {"abc", NULL}},
        {"abcd", 4, {"abc", "d", NULL}},
        {"ab\n", 2, {"a", "b", NULL}},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        for (size_t piece = 1; piece < 6; piece += 2) {
            check_lines(cases[i].text, strlen(cases[i].text), piece, cases[i].size, cases[i].lines);
        }
    }

    // Lines around the size of what is read ahead.
    static char text[2 * 1500 + 3];
    for (size_t length = 505; length < 1500; length += length == 520 ? 500 : 1) {
        char one[1501], two[1501];
        memset(one, 'a', length);
        memset(two, 'b', length);
        one[length] = two[length] = 0;
        int total = sprintf(text, "%s\n%s\n", one, two);
        check_lines(text, (size_t)total, 4096, 1501, (const char *const[]){one, two, NULL});
    }

    // No room, no descriptor.
    int none[2];
    NEED(pipe(none) == 0 && write(none[1], "x\ny\n", 4) == 4);
    struct simple_readline_buf state;
    char out[8] = "#######";
    __simple_readline_init(&state);
    int sizes[] = {0, 1, -1, INT_MIN};
    for (int i = 0; i < 4; i++) {
        CHECK(__simple_readline(none[0], &state, out, sizes[i]) == NULL);
        CHECK_TEXT(out, "#######");
    }
    CHECK(__simple_readline(-1, &state, out, 8) == NULL);
    CHECK_TEXT(out, "#######");
    CHECK_TEXT(__simple_readline(none[0], &state, out, 8), "x");
    // What was read ahead needs no descriptor.
    CHECK_TEXT(__simple_readline(-1, &state, out, 8), "y");
    close(none[0]);
    close(none[1]);
}

static void note(int signal) {
    (void)signal;
    if (write(1, "caught\n", 7) != 7) {
        _exit(3);
    }
}

enum { PLAIN, IGNORED, CAUGHT, BLOCKED };

// Ends by SIGABRT, whatever was done about that signal before: man 3 abort.
static void check_abort(int how) {
    int output[2];
    NEED(pipe(output) == 0);
    pid_t child = fork();
    NEED(child >= 0);
    if (child == 0) {
        const struct rlimit no_core = {0, 0};
        setrlimit(RLIMIT_CORE, &no_core);
        dup2(output[1], 1);
        close(output[0]);
        close(output[1]);
        sigset_t set;
        sigemptyset(&set);
        switch (how) {
        case IGNORED:
            signal(SIGABRT, SIG_IGN);
            break;
        case CAUGHT:
            signal(SIGABRT, note);
            break;
        case BLOCKED:
            // Nor does another signal that waits come before it.
            sigaddset(&set, SIGABRT);
            sigaddset(&set, SIGTERM);
            sigprocmask(SIG_BLOCK, &set, NULL);
            raise(SIGTERM);
            break;
        }
        __simple_abort();
    }
    close(output[1]);
    char text[64];
    ssize_t length = read(output[0], text, sizeof text - 1);
    text[length < 0 ? 0 : length] = 0;
    CHECK_TEXT(text, how == CAUGHT ? "caught\n" : "");
    close(output[0]);
    int status = 0;
    NEED(waitpid(child, &status, 0) == child);
    CHECK(WIFSIGNALED(status));
    CHECK_NUMBER(WTERMSIG(status), SIGABRT);
}

static void ends_of_processes(void) {
    topic = "abort";
    check_abort(PLAIN);
    check_abort(IGNORED);
    check_abort(CAUGHT);
    check_abort(BLOCKED);
}

void simple_family(void) {
    in_child("strlen", strings);
    in_child("atoi", numbers);
    in_child("sprintf", prints_to_memory);
    in_child("printf", prints_to_descriptors);
    in_child("readline", lines);
    ends_of_processes();
}
