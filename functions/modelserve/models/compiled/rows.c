/* JSON records straight into the tensors of a compiled model; `rows.py` says how it is used.

   It reads records of exactly the expected columns (and some that are not the model's), in any order, and stops at
   whatever is unusual or wrong: then read_rows() gives 0, and the general decoder decides. So it holds no rule of its own about what is
   refused, and only has to be certain of what it takes. It keeps nothing between two calls but which key came after which.

   The body comes from the network. Nothing is read at or behind `end`, every place that is written to comes from the plan
   that Python made, and no memory is allocated here. */

#include "rows_json.h"

const char made_from[] = MADE_FROM; /* digest() in rows_plan.py, which the compiler is given */

enum cell { STRING, BOOLEAN, INTEGER, LONG, DOUBLE };
enum form { PLAIN, DATAFRAME_RECORDS, INSTANCES };

struct column {
    const uint8_t *key; /* as it stands in the body, with its quotes */
    uint64_t key_first; /* bytes of it, as first_of() gives them */
    int64_t length;
    int64_t cell, nullable;
    int64_t number;       /* place in a row of numbers, or -1 */
    int64_t text;         /* place in a row of texts, or -1 */
    int64_t first, codes; /* which of `lookups` take the cell */
};
struct lookup {
    const struct table *table;
    int64_t place; /* in a row of codes */
};
struct plan {
    const struct column *columns;
    const struct lookup *lookups;
    const struct table *names; /* a column's key, with its quotes, to its place in `columns` */
    const struct table *forms; /* keys that no column beside the model's may have */
    int64_t columns_count, numbers_width, codes_width, texts_width;
    int64_t most_rows, most_extra;
    double *numbers;  /* most_rows rows, as the following two */
    int64_t *codes;
    int32_t *texts;   /* start and end in the body; -1 for null */
    int64_t *seen;    /* a column's last record, counted since the plan was made */
    int64_t *follows; /* which column came after each, and first: at the end */
    int64_t records;
    /* What was read. */
    int64_t rows, form, single, extra;
};

#define MOST_EXTRA 16

struct reader {
    struct cursor c;
    const uint8_t *data;
    struct plan *plan;
    struct text extra[MOST_EXTRA];
    int64_t extra_seen[MOST_EXTRA];
    int64_t extras;
};

/* --- cells --- */

/* The codes of a cell that is not null. False where bytes that are no key might still spell one. */
static bool put_codes(struct reader *r, const struct column *column, int64_t row, const uint8_t *key, int64_t length,
                      const uint8_t *end_of_key, bool literal) {
    for (const struct lookup *at = r->plan->lookups + column->first, *end = at + column->codes; at < end; at++) {
        const struct slot *slot = find(at->table, key, length, end_of_key);
        if (!slot && !literal) return false;
        r->plan->codes[row * r->plan->codes_width + at->place] = slot ? slot->code : at->table->other;
    }
    return true;
}

static void put_null(struct reader *r, const struct column *column, int64_t row) {
    struct plan *plan = r->plan;
    if (column->number >= 0) plan->numbers[row * plan->numbers_width + column->number] = NAN;
    if (column->text >= 0) plan->texts[2 * (row * plan->texts_width + column->text)] = -1;
    for (const struct lookup *at = plan->lookups + column->first, *end = at + column->codes; at < end; at++)
        plan->codes[row * plan->codes_width + at->place] = at->table->null;
}

static bool take_string_cell(struct reader *r, const struct column *column, int64_t row) {
    struct text text;
    if (!take_text(&r->c, &text)) return false;
    if (column->text >= 0) {
        int32_t *place = r->plan->texts + 2 * (row * r->plan->texts_width + column->text);
        place[0] = (int32_t)(text.start - r->data);
        place[1] = (int32_t)(text.start + text.length - r->data);
    }
    /* A known text needs no look at its letters. */
    bool known = column->codes && column->text < 0 && put_codes(r, column, row, text.start, text.length, r->c.end, false);
    return known || (is_literal(&text) && put_codes(r, column, row, text.start, text.length, r->c.end, true));
}

static bool take_cell(struct reader *r, const struct column *column, int64_t row) {
    if (column->nullable && take_word(&r->c, "null", 4)) {
        put_null(r, column, row);
        return true;
    }
    if (column->cell == STRING) return take_string_cell(r, column, row);
    struct number number = {0, true, true};
    if (column->cell == BOOLEAN) {
        bool yes = take_word(&r->c, "true", 4);
        if (!yes && !take_word(&r->c, "false", 5)) return false;
        number.value = yes;
    } else {
        if (!take_number(&r->c, &number) || !number.exact || (column->cell != DOUBLE && !number.whole)) return false;
        if (column->cell == INTEGER && (number.value < INT32_MIN || number.value > INT32_MAX)) return false;
    }
    if (column->number >= 0) r->plan->numbers[row * r->plan->numbers_width + column->number] = number.value;
    number.value += 0.0; /* negative zero is equal to zero, and has other bytes */
    const uint8_t *bytes = (const uint8_t *)&number.value;
    return put_codes(r, column, row, bytes, sizeof number.value, bytes + sizeof number.value, true);
}

/* --- what is not the model's --- */

static bool skip_value(struct reader *r) {
    struct text text;
    struct number number;
    if (take_text(&r->c, &text)) return is_literal(&text);
    return take_word(&r->c, "null", 4) || take_word(&r->c, "true", 4) || take_word(&r->c, "false", 5) || take_number(&r->c, &number);
}

/* All records of a body have the same extra columns, which the first one shows. */
static bool is_extra(struct reader *r, const struct text *name, bool first) {
    if (!is_literal(name) || find(r->plan->forms, name->start, name->length, r->c.end)) return false;
    int64_t i = 0;
    while (i < r->extras && (r->extra[i].length != name->length ||
                             memcmp(r->extra[i].start, name->start, (size_t)name->length)))
        i++;
    if (i == r->extras) {
        if (!first || i == r->plan->most_extra) return false;
        r->extra[i] = *name;
        r->extra_seen[i] = 0;
        r->extras++;
    }
    if (r->extra_seen[i] == r->plan->records) return false; /* twice in one record */
    r->extra_seen[i] = r->plan->records;
    return true;
}

/* --- records --- */

/* Which column's key is next, or -1 for one that is not the model's. Clients keep their order, so what followed last time is
   tried first. */
static bool take_key(struct reader *r, int64_t before, int64_t *found, struct text *name) {
    struct plan *plan = r->plan;
    const struct column *guess = plan->columns + plan->follows[before];
    if (r->c.end - r->c.at > guess->length && first_of(r->c.at, guess->length, r->c.end) == guess->key_first &&
        same_rest(r->c.at, guess->key, guess->length)) {
        r->c.at += guess->length;
        *found = plan->follows[before];
        return true;
    }
    const uint8_t *start = r->c.at;
    if (!take_text(&r->c, name)) return false;
    const struct slot *slot = find(plan->names, start, r->c.at - start, r->c.end);
    *found = slot ? slot->code : -1;
    if (slot) plan->follows[before] = slot->code;
    return slot || !name->escaped; /* an escape might spell a column's name */
}

static bool take_record(struct reader *r, int64_t row, bool first) {
    struct plan *plan = r->plan;
    int64_t record = ++plan->records, before = plan->columns_count, columns = 0, extras = 0;
    if (!take(&r->c, '{')) return false;
    do {
        int64_t column;
        struct text name;
        skip_space(&r->c);
        if (!take_key(r, before, &column, &name) || !take(&r->c, ':')) return false;
        skip_space(&r->c);
        if (column < 0) {
            if (!is_extra(r, &name, first) || !skip_value(r)) return false;
            extras++;
        } else {
            if (plan->seen[column] == record || !take_cell(r, plan->columns + column, row)) return false;
            plan->seen[column] = record;
            before = column;
            columns++;
        }
    } while (take(&r->c, ','));
    return take(&r->c, '}') && columns == plan->columns_count && extras == r->extras;
}

static bool take_records(struct reader *r, int64_t row) {
    int64_t first = row;
    if (!take(&r->c, '[')) return false;
    do {
        if (row == r->plan->most_rows || !take_record(r, row, row == first)) return false;
        row++;
    } while (take(&r->c, ','));
    r->plan->rows = row - first;
    return take(&r->c, ']');
}

static bool take_form(struct reader *r, int64_t row) {
    if (!take(&r->c, '{')) return false;
    skip_space(&r->c);
    if (take_word(&r->c, "\"instances\"", 11)) r->plan->form = INSTANCES;
    else if (take_word(&r->c, "\"dataframe_records\"", 19)) r->plan->form = DATAFRAME_RECORDS;
    else return false;
    return take(&r->c, ':') && take_records(r, row) && take(&r->c, '}');
}

/* Whether the body was taken: then its records are in the tensors from `row` on, and the plan says how many. `plain` says
   whether records may come without a form around them. */
int64_t read_rows(struct plan *plan, const uint8_t *data, int64_t length, int64_t row, int64_t plain) {
    struct reader r = {.c = {data, data + length}, .data = data, .plan = plan};
    plan->form = PLAIN;
    plan->single = 0;
    bool taken = take_form(&r, row);
    if (!taken) {
        if (plan->form != PLAIN || !plain) return 0;
        r.c.at = data;
        skip_space(&r.c);
        plan->single = r.c.at < r.c.end && *r.c.at == '{';
        if (plan->single) plan->rows = 1;
        taken = plan->single ? row < plan->most_rows && take_record(&r, row, true) : take_records(&r, row);
    }
    skip_space(&r.c);
    plan->extra = r.extras;
    return taken && r.c.at == r.c.end;
}
