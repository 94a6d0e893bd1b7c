/* The pieces of JSON (RFC 8259) that `rows.c` is made of, and the tables that it looks up in. */

#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define LONGEST_NUMBER 64
#define EXACT ((uint64_t)1 << 53) /* a double keeps whole numbers up to here */

/* A body, of which nothing is read at or behind `end`. */
struct cursor {
    const uint8_t *at, *end;
};
struct text {
    const uint8_t *start;
    int64_t length;
    bool escaped, ascii;
};

/* --- eight bytes at a time --- */

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "the first byte of a word is its lowest");
#define EACH(byte) (0x0101010101010101u * (uint64_t)(byte))

static uint64_t eight(const uint8_t *at) {
    uint64_t word;
    memcpy(&word, at, sizeof word);
    return word;
}

static uint64_t lowest(int64_t bytes) { /* fewer than eight */
    return ((uint64_t)1 << 8 * bytes) - 1;
}

/* Up to eight of its bytes, with zeros behind them. */
static uint64_t first_of(const uint8_t *at, int64_t length, const uint8_t *end) {
    if (length >= 8) return eight(at);
    if (end - at >= 8) return eight(at) & lowest(length);
    uint64_t word = 0;
    for (int64_t i = 0; i < length; i++) word |= (uint64_t)at[i] << 8 * i;
    return word;
}

/* Whether two texts of one length are equal behind their first eight bytes. */
static bool same_rest(const uint8_t *one, const uint8_t *other, int64_t length) {
    if (length <= 8) return true;
    for (int64_t i = 8; i + 8 < length; i += 8)
        if (eight(one + i) != eight(other + i)) return false;
    return eight(one + length - 8) == eight(other + length - 8);
}

/* The high bit of the first byte that is '"', '\\' or a control character; bits above it may be wrong.
   After "Determine if a word has a byte less than n", https://graphics.stanford.edu/~seander/bithacks.html. */
static uint64_t stops(uint64_t word) {
    uint64_t quote = word ^ EACH('"'), escape = word ^ EACH('\\');
    return (((quote - EACH(1)) & ~quote) | ((escape - EACH(1)) & ~escape) | ((word - EACH(0x20)) & ~word)) & EACH(0x80);
}

/* --- tables --- */

/* Keys to codes, as a hash table of open addressing; `slots` has a power of two of them, and more than there are keys. */
struct slot {
    uint64_t first; /* bytes of the key, as first_of() gives them */
    uint32_t start, size; /* one more than its length; 0 is free */
    int64_t code;
};
struct table {
    const uint8_t *keys; /* one behind the other */
    struct slot *slots;
    uint64_t mask; /* slots - 1 */
    int64_t other, null;
};

/* Every bit of a word reaches the low ones, which choose the slot: texts often differ in their last letters alone, and whole
   numbers in the high bits of theirs. */
static uint64_t mixed(uint64_t hash, uint64_t word) {
    hash = (hash ^ word) * 0x9e3779b97f4a7c15u; /* 2**64 by the golden ratio: D. E. Knuth, TAOCP 6.4 */
    hash = (hash ^ hash >> 32) * 0x9e3779b97f4a7c15u;
    return hash ^ hash >> 29;
}

static uint64_t hash_of(uint64_t first, const uint8_t *key, int64_t length) {
    uint64_t hash = mixed((uint64_t)length, first);
    if (length <= 8) return hash;
    for (int64_t i = 8; i + 8 < length; i += 8) hash = mixed(hash, eight(key + i));
    return mixed(hash, eight(key + length - 8));
}

/* `end` is that of what the key stands in. */
static const struct slot *find(const struct table *table, const uint8_t *key, int64_t length, const uint8_t *end) {
    uint64_t first = first_of(key, length, end);
    for (uint64_t i = hash_of(first, key, length);; i++) {
        const struct slot *slot = &table->slots[i & table->mask];
        if (!slot->size) return NULL;
        if (slot->first == first && slot->size == length + 1 && same_rest(table->keys + slot->start, key, length))
            return slot;
    }
}

/* Puts a key of the table's own `keys` in. The first of two equal ones stays. */
void put_key(struct table *table, uint32_t start, uint32_t length, int64_t code) {
    const uint8_t *key = table->keys + start;
    if (find(table, key, length, key + length)) return;
    uint64_t first = first_of(key, length, key + length), i = hash_of(first, key, length);
    while (table->slots[i & table->mask].size) i++;
    table->slots[i & table->mask] = (struct slot){first, start, length + 1, code};
}

/* --- the pieces of JSON, RFC 8259. Each leaves `at` behind what it read, and is false when it is not there --- */

static void skip_space(struct cursor *c) {
    while (c->at < c->end && *c->at <= ' ' && (*c->at == ' ' || *c->at == '\n' || *c->at == '\r' || *c->at == '\t')) c->at++;
}

static bool take(struct cursor *c, uint8_t mark) {
    skip_space(c);
    if (c->at == c->end || *c->at != mark) return false;
    c->at++;
    return true;
}

static bool take_word(struct cursor *c, const char *word, int64_t length) {
    if (c->end - c->at < length || memcmp(c->at, word, (size_t)length)) return false;
    c->at += length;
    return true;
}

/* Its bytes as they stand, without the quotes. */
static bool take_text(struct cursor *c, struct text *text) {
    const uint8_t *at = c->at, *end = c->end;
    if (at == end || *at != '"') return false;
    const uint8_t *start = ++at;
    uint64_t all = 0;
    bool escaped = false;
    for (; end - at >= 8; at += 8) {
        uint64_t word = eight(at), stop = stops(word);
        if (stop) {
            int64_t before = __builtin_ctzll(stop) / 8;
            all |= word & lowest(before);
            at += before;
            break;
        }
        all |= word;
    }
    for (; at < end && *at != '"'; at++) {
        if (*at < 0x20) return false;
        if (*at == '\\') {
            escaped = true;
            if (++at == end) return false;
        }
        all |= *at;
    }
    if (at == end) return false;
    *text = (struct text){start, at - start, escaped, !(all & EACH(0x80))};
    c->at = at + 1;
    return true;
}

/* Unicode 17.0, table 3-7. */
static bool is_utf8(const uint8_t *at, const uint8_t *end) {
    while (at < end) {
        uint8_t first = *at++;
        if (first < 0x80) continue;
        int64_t more = first >= 0xf0 ? 3 : first >= 0xe0 ? 2 : 1;
        if (first < 0xc2 || first > 0xf4 || end - at < more) return false;
        uint8_t low = first == 0xe0 ? 0xa0 : first == 0xf0 ? 0x90 : 0x80;
        uint8_t high = first == 0xed ? 0x9f : first == 0xf4 ? 0x8f : 0xbf;
        if (*at < low || *at > high) return false;
        for (at++; --more; at++)
            if (*at < 0x80 || *at > 0xbf) return false;
    }
    return true;
}

/* Whether its bytes are the text itself. */
static bool is_literal(const struct text *text) {
    return !text->escaped && (text->ascii || is_utf8(text->start, text->start + text->length));
}

static bool is_digit(const struct cursor *c, const uint8_t *at) {
    return at < c->end && *at >= '0' && *at <= '9';
}

struct number {
    double value;
    bool whole; /* as it is written */
    bool exact; /* unless it is a whole number that a double may not keep */
};

/* To the nearest double; false also for what is too large for one. */
static bool take_number(struct cursor *c, struct number *number) {
    static const double POWERS[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,  1e10, 1e11,
                                    1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
    const uint8_t *at = c->at;
    bool negative = at < c->end && *at == '-';
    at += negative;
    if (!is_digit(c, at) || (*at == '0' && is_digit(c, at + 1))) return false;
    uint64_t digits = 0;
    int64_t count = 0, exponent = 0;
    bool whole = true;
    for (; is_digit(c, at); at++, count++) digits = digits * 10 + (uint64_t)(*at - '0');
    if (at < c->end && *at == '.') {
        whole = false;
        if (!is_digit(c, ++at)) return false;
        for (; is_digit(c, at); at++, count++, exponent--) digits = digits * 10 + (uint64_t)(*at - '0');
    }
    if (at < c->end && (*at == 'e' || *at == 'E')) {
        whole = false;
        at++;
        bool minus = at < c->end && *at == '-';
        at += at < c->end && (*at == '-' || *at == '+');
        if (!is_digit(c, at)) return false;
        int64_t power = 0;
        for (; is_digit(c, at); at++)
            if (power < 100000) power = power * 10 + (*at - '0');
        exponent += minus ? -power : power;
    }
    if (at == c->end || at - c->at > LONGEST_NUMBER) return false; /* strtod stops at what comes behind a number */
    bool kept = count <= 19 && digits <= EXACT; /* nineteen digits cannot overflow 64 bits */
    double value = (double)digits;
    if (!whole && kept && exponent >= -22 && exponent <= 22) {
        /* Both are exact, so the result is rounded once: W. D. Clinger, "How to Read Floating Point Numbers Accurately", 1990. */
        value = exponent < 0 ? value / POWERS[-exponent] : value * POWERS[exponent];
    } else if (!whole) {
        char *stop;
        value = fabs(strtod((const char *)c->at, &stop));
        if ((const uint8_t *)stop != at || !isfinite(value)) return false; /* another locale has another decimal point */
    }
    /* There is no negative zero among whole numbers. */
    *number = (struct number){negative && (digits || !whole) ? -value : value, whole, kept || !whole};
    c->at = at;
    return true;
}
