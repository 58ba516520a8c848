// Random formats and arguments through every variadic function, against glibc's vsnprintf on the same C call.
//
// varargs COUNT [SEED]: shapes.h, generated, has the lists of arguments.
//
// What the library does not print stands in its output as it stands in the format. glibc prints it between two bytes
// that no other text has, and what is between them is replaced by the words of the format.

#define _GNU_SOURCE
#include "check.h"
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <wchar.h>
#include <xnu_emu.h>

// One argument; its shape says which member counts.
union argument {
    int i;
    long l;
    const char *s;
    void *p;
    double d;
    long double L;
    const wchar_t *w;
};

// The variable arguments after one, two and three that are fixed.
typedef void after_format(const char *format, ...);
typedef void after_fd(int fd, const char *format, ...);
typedef int after_buffer(char *out, const char *format, ...);
typedef int after_size(char *out, size_t size, const char *format, ...);

struct shape {
    const char *kinds;
    void (*with_format)(after_format *function, const char *format, const union argument *a);
    void (*with_fd)(after_fd *function, int fd, const char *format, const union argument *a);
    int (*with_buffer)(after_buffer *function, char *out, const char *format, const union argument *a);
    int (*with_size)(after_size *function, char *out, size_t size, const char *format, const union argument *a);
};

#define SHAPE(number, kinds, ...)                                                                               \
    static void format_##number(after_format *function, const char *format, const union argument *a) {         \
        (void)a;                                                                                                \
        function(format, ##__VA_ARGS__);                                                                        \
    }                                                                                                           \
    static void fd_##number(after_fd *function, int fd, const char *format, const union argument *a) {         \
        (void)a;                                                                                                \
        function(fd, format, ##__VA_ARGS__);                                                                    \
    }                                                                                                           \
    static int buffer_##number(after_buffer *function, char *out, const char *format, const union argument *a) { \
        (void)a;                                                                                                \
        return function(out, format, ##__VA_ARGS__);                                                            \
    }                                                                                                           \
    static int size_##number(                                                                                   \
        after_size *function, char *out, size_t size, const char *format, const union argument *a) {            \
        (void)a;                                                                                                \
        return function(out, size, format, ##__VA_ARGS__);                                                      \
    }
#include "shapes.h"
#undef SHAPE

static const struct shape shapes[] = {
#define SHAPE(number, kinds, ...) {kinds, format_##number, fd_##number, buffer_##number, size_##number},
#include "shapes.h"
#undef SHAPE
};

// Marsaglia's xorshift64*.
static uint64_t state;

static uint64_t next(void) {
    state ^= state >> 12;
    state ^= state << 25;
    state ^= state >> 27;
    return state * 0x2545f4914f6cdd1d;
}

static unsigned below(unsigned limit) {
    return (unsigned)((next() >> 33) % limit);
}

static long any_number(void) {
    static const uint64_t edges[] = {0, 1 << 7, 1 << 15, 1UL << 31, 1UL << 63};
    uint64_t value = below(4) ? next() >> below(64) : edges[below(5)] + below(3) - 1;
    return (long)(below(4) ? value : -value);
}

#define PICK(text) ((text)[below(sizeof(text) - 1)])

enum { OPEN = 1, CLOSE = 2, TEXT_MAX = 16384, ARGUMENTS_MAX = 20 };

static char format[1024]; // ours
static char marked[1024]; // glibc's, with marks
static char kept_words[ARGUMENTS_MAX][64]; // what stands between each pair of marks
static unsigned kept;
static union argument arguments[ARGUMENTS_MAX];
static int stored;

static void put(char byte) {
    size_t ours = strlen(format), theirs = strlen(marked);
    format[ours] = marked[theirs] = byte;
    format[ours + 1] = marked[theirs + 1] = 0;
}

static void put_text(const char *text) {
    while (*text) {
        put(*text++);
    }
}

// A width or precision: digits, or a `*` if the next argument is an int and one follows. Answers how many arguments it
// takes.
static int put_size(const char *kinds, int at) {
    int size = (int)below(below(50) ? 24 : 300);
    if (kinds[at] == 'i' && kinds[at + 1] && below(2)) {
        arguments[at].i = below(4) ? size : -size;
        put('*');
        return 1;
    }
    char digits[8];
    snprintf(digits, sizeof digits, "%d", size);
    put_text(size ? digits : "");
    return 0;
}

// A conversion of the arguments from `at` on; answers how many it takes.
static int put_conversion(const char *kinds, int at) {
    static const char *const strings[] = {"", "x", "string", "a longer string of more than sixteen bytes",
                                          "\xff\x80\x03%d%s\n"};
    const int from = at;
    const size_t start = strlen(format);
    put('%');
    // What is converted comes after the stars and is not known yet: `-` is the flag that all take.
    if (below(3) == 0) {
        put('-');
    }
    if (below(3) == 0) {
        at += put_size(kinds, at);
    }
    const char kind_before_precision = kinds[at];
    if (strchr("ilsd", kind_before_precision) && below(3) == 0) {
        put('.');
        if (below(4)) {
            at += put_size(kinds, at);
        }
    }
    const int with_precision = strchr(format + start, '.') != NULL;
    union argument *argument = &arguments[at];
    switch (kinds[at]) {
    case 'i':
        argument->i = (int)any_number();
        if (!with_precision && below(6) == 0) {
            // Neither NUL nor a mark.
            argument->i = (int)(any_number() & ~0xffL) | (int)(3 + below(253));
            put('c');
            break;
        }
        put_text((const char *const[]){"", "", "h", "hh"}[below(4)]);
        put(PICK("diuoxX"));
        break;
    case 'l':
        argument->l = any_number();
        put_text((const char *const[]){"l", "ll", "j", "z", "t", "q"}[below(6)]);
        put(PICK("diuoxX"));
        break;
    case 's':
        argument->s = strings[below(sizeof strings / sizeof *strings)];
        if (!with_precision && below(16) == 0) {
            argument->s = NULL;
        }
        put('s');
        break;
    case 'p':
        if (with_precision) {
            return -1;
        }
        argument->p = (void *)(any_number() | 1);
        put('p');
        break;
    case 'n':
        if (at != from || strlen(format) != start + 1) {
            return -1;
        }
        argument->p = &stored;
        put('n');
        break;
    case 'd':
    case 'L':
    case 'w': {
        if (kinds[at] == 'd') {
            argument->d = (double)any_number() / 3;
        } else if (kinds[at] == 'L') {
            argument->L = (long double)any_number() / 3;
            put('L');
        } else {
            argument->w = L"wide";
            put('l');
        }
        put(kinds[at] == 'w' ? 's' : PICK("aAeEfFgG"));
        // Marks around it, for glibc.
        const size_t length = strlen(format) - start;
        memcpy(kept_words[kept], format + start, length + 1);
        kept++;
        char *words = marked + strlen(marked) - length;
        memmove(words + 1, words, length);
        words[0] = OPEN;
        words[length + 1] = CLOSE;
        words[length + 2] = 0;
        break;
    }
    default:
        return -1;
    }
    return at + 1 - from;
}

static void make_case(const char *kinds) {
    const int count = (int)strlen(kinds);
    const int used = below(4) ? count : (int)below((unsigned)count + 1);
    memset(arguments, 0x5a, sizeof arguments);
    format[0] = marked[0] = 0;
    kept = 0;
    for (int at = 0; at < used;) {
        for (unsigned letters = below(4); letters > 0; letters--) {
            put(PICK("abc 0159.,:*-+\x80\xff"));
        }
        if (below(16) == 0) {
            put_text("%%");
        }
        const size_t ours = strlen(format), theirs = strlen(marked);
        const unsigned words = kept;
        int taken;
        do {
            format[ours] = marked[theirs] = 0;
            kept = words;
            taken = put_conversion(kinds, at);
        } while (taken < 0);
        at += taken;
    }
    put_text(below(2) ? " end" : "");
}

static after_size v_size, v_glibc;
static after_buffer v_buffer;
static after_fd v_fd;
static after_format v_format, v_log;

#define FORWARD(call)        \
    va_list list;            \
    va_start(list, format_); \
    call;                    \
    va_end(list)

static int v_glibc(char *out, size_t size, const char *format_, ...) {
    FORWARD(int result = vsnprintf(out, size, format_, list));
    return result;
}

static int v_size(char *out, size_t size, const char *format_, ...) {
    FORWARD(int result = __simple_vsnprintf(out, size, format_, list));
    return result;
}

static int v_buffer(char *out, const char *format_, ...) {
    FORWARD(int result = __simple_vsprintf(out, format_, list));
    return result;
}

static void v_fd(int fd, const char *format_, ...) {
    FORWARD(__simple_vfprintf(fd, format_, list));
}

static void v_format(const char *format_, ...) {
    FORWARD(__simple_vprintf(format_, list));
}

static void v_log(const char *format_, ...) {
    FORWARD(__simple_vkprintf(format_, list));
}

// The call that is being made.
static const struct shape *shape;
static unsigned function;

// What is to come out. Answers its length.
static size_t expect(char *wanted) {
    static char raw[TEXT_MAX];
    int length = shape->with_size(v_glibc, raw, sizeof raw, marked, arguments);
    NEED(length >= 0 && length < TEXT_MAX);
    size_t at = 0;
    unsigned word = 0;
    for (int i = 0; i < length; i++) {
        if (raw[i] != OPEN) {
            wanted[at++] = raw[i];
            continue;
        }
        at += (size_t)sprintf(wanted + at, "%s", kept_words[word++]);
        while (raw[i] != CLOSE) {
            i++;
        }
    }
    NEED(word == kept);
    wanted[at] = 0;
    return at;
}

static char log_text[513];

static long serve(unsigned trap, void *argument) {
    if (trap == 0x1026) {
        memcpy(log_text, argument, 512);
    }
    return 0;
}

static int ends[2];

// Reads what a call wrote into the pipe. Answers its length.
static long drain(char *out) {
    ssize_t length = read(ends[0], out, TEXT_MAX);
    return length < 0 && errno == EAGAIN ? 0 : length;
}

enum { SNPRINTF, VSNPRINTF, SPRINTF, VSPRINTF, FPRINTF, VFPRINTF, PRINTF, VPRINTF, KPRINTF, VKPRINTF, FUNCTIONS };

static const char *const names[FUNCTIONS] = {"snprintf", "vsnprintf", "sprintf", "vsprintf", "fprintf",
                                             "vfprintf", "printf",    "vprintf", "kprintf",  "vkprintf"};

// A wrong argument is taken for a string's address sooner or later.
static void crashed(int number) {
    fprintf(stderr, "signal %d: %s, arguments %s, format \"%s\"\n", number, names[function], shape->kinds, format);
    _exit(3);
}

int main(int argc, char **argv) {
    NEED(argc > 1);
    signal(SIGSEGV, crashed);
    signal(SIGBUS, crashed);
    const unsigned long count = strtoul(argv[1], NULL, 10);
    const uint64_t seed = argc > 2 ? strtoull(argv[2], NULL, 0) : 0x5eedca11;
    state = seed | 1;
    fprintf(stderr, "seed %#llx, %lu prints, %zu lists of arguments\n", (unsigned long long)seed, count,
            sizeof shapes / sizeof *shapes);

    char entry[64];
    snprintf(entry, sizeof entry, "lkm_entry=0x%lx", (unsigned long)serve);
    mach_driver_init((const char *[]){entry, NULL});
    NEED(pipe2(ends, O_NONBLOCK) == 0);
    const int output = dup(1);
    NEED(output >= 0 && dup2(ends[1], 1) == 1);

    static char wanted[TEXT_MAX], found[TEXT_MAX + 32];
    unsigned long called[FUNCTIONS] = {0};
    unsigned arguments_max = 0;
    for (unsigned long number = 0; number < count && failures < 10; number++) {
        shape = &shapes[below(sizeof shapes / sizeof *shapes)];
        NEED(strlen(shape->kinds) <= ARGUMENTS_MAX);
        make_case(shape->kinds);
        const size_t length = expect(wanted);
        function = below(2) ? below(2) : below(FUNCTIONS);
        // As much room as the text takes, about as much, or any amount.
        size_t size = below(4) ? length + 1 : length + below(3) - (length > 0);
        size = below(8) ? size : below((unsigned)length + 2);
        memset(found, '#', sizeof found);
        stored = -1;
        long result = (long)length, out_length = (long)length;
        called[function]++;
        switch (function) {
        case SNPRINTF:
        case VSNPRINTF:
            result = shape->with_size(
                function == SNPRINTF ? __simple_snprintf : v_size, found, size, format, arguments);
            if (size <= length && size > 0) {
                wanted[out_length = (long)size - 1] = 0;
            }
            // Nothing is written behind the end.
            CHECK(found[size] == '#');
            if (size == 0) {
                out_length = -1;
            }
            break;
        case SPRINTF:
        case VSPRINTF:
            result = shape->with_buffer(
                function == SPRINTF ? __simple_sprintf : v_buffer, found, format, arguments);
            CHECK(found[length + 1] == '#');
            break;
        case FPRINTF:
        case VFPRINTF:
            shape->with_fd(function == FPRINTF ? __simple_fprintf : v_fd, ends[1], format, arguments);
            found[result = drain(found)] = 0;
            break;
        case PRINTF:
        case VPRINTF:
            shape->with_format(function == PRINTF ? __simple_printf : v_format, format, arguments);
            found[result = drain(found)] = 0;
            break;
        default:
            memset(log_text, '#', sizeof log_text - 1);
            shape->with_format(function == KPRINTF ? __simple_kprintf : v_log, format, arguments);
            strcpy(found, log_text);
            if (length > 511) {
                wanted[out_length = 511] = 0;
            }
        }
        checks++;
        if (result != (long)length || stored != -1
            || (out_length >= 0 && memcmp(found, wanted, (size_t)out_length + 1) != 0)) {
            report("case %lu: %s, size %zu, arguments %s, format \"%s\"\n wanted %zu \"%s\"\n found  %ld \"%.*s\"\n",
                   number, names[function], size, shape->kinds, format, length, wanted, result,
                   (int)(out_length < 0 ? 0 : out_length), found);
        }
        if (strlen(shape->kinds) > arguments_max) {
            arguments_max = (unsigned)strlen(shape->kinds);
        }
    }
    NEED(dup2(output, 1) == 1);
    for (int i = 0; i < FUNCTIONS; i++) {
        fprintf(stderr, "%s %lu  ", names[i], called[i]);
    }
    fprintf(stderr, "up to %u arguments\n", arguments_max);
    return finish();
}
