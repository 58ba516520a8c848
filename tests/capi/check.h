// Checks that count themselves, so that a test which checks nothing is seen.
#ifndef CHECK_H
#define CHECK_H

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

// Weak: one for all files of a program.
__attribute__((weak)) unsigned checks, failures;

// What is being tested, for messages.
__attribute__((weak)) const char *topic = "";

// Counts a failure and tells of the first ones.
__attribute__((format(printf, 1, 2))) static inline void report(const char *format, ...) {
    if (failures++ < 40) {
        va_list list;
        va_start(list, format);
        vfprintf(stderr, format, list);
        va_end(list);
    }
}

static inline void check_true(int good, const char *text, const char *file, int line) {
    checks++;
    if (!good) {
        report("%s:%d: %s: wrong: %s\n", file, line, topic, text);
    }
}

static inline void check_number(long long found, long long wanted, const char *text, const char *file, int line) {
    checks++;
    if (found != wanted) {
        report("%s:%d: %s: %s is %lld (%#llx), not %lld (%#llx)\n", file, line, topic, text, found,
                (unsigned long long)found, wanted, (unsigned long long)wanted);
    }
}

static inline void check_text(const char *found, const char *wanted, const char *text, const char *file, int line) {
    checks++;
    if (!found || strcmp(found, wanted)) {
        report("%s:%d: %s: %s is \"%s\", not \"%s\"\n", file, line, topic, text,
                found ? found : "(null)", wanted);
    }
}

#define CHECK(condition) check_true(!!(condition), #condition, __FILE__, __LINE__)
#define CHECK_NUMBER(found, wanted) check_number((long long)(found), (long long)(wanted), #found, __FILE__, __LINE__)
#define CHECK_TEXT(found, wanted) check_text(found, wanted, #found, __FILE__, __LINE__)

// What the test itself cannot do without.
#define NEED(condition)                                                            \
    do {                                                                           \
        if (!(condition)) {                                                        \
            fprintf(stderr, "%s:%d: %s: cannot go on: ", __FILE__, __LINE__, topic); \
            perror(#condition);                                                    \
            _exit(2);                                                              \
        }                                                                          \
    } while (0)

// Runs a test in a child, whose state of the library is its own. Its checks count here.
static inline void in_child(const char *name, void (*test)(void)) {
    int counts[2];
    topic = name;
    fflush(NULL);
    NEED(pipe(counts) == 0);
    pid_t child = fork();
    NEED(child >= 0);
    if (child == 0) {
        checks = failures = 0;
        test();
        unsigned result[2] = {checks, failures};
        NEED(write(counts[1], result, sizeof result) == sizeof result);
        fflush(NULL);
        _exit(0);
    }
    close(counts[1]);
    unsigned result[2] = {0, 0};
    CHECK(read(counts[0], result, sizeof result) == sizeof result);
    close(counts[0]);
    checks += result[0];
    failures += result[1];
    int status = -1;
    NEED(waitpid(child, &status, 0) == child);
    CHECK_NUMBER(status, 0);
}

// The end of main: what the Rust test reads.
static inline int finish(void) {
    printf("%u checks, %u wrong\n", checks, failures);
    return failures != 0;
}

#endif
