/* Reading the library's JSON: a value is a pointer to its first character inside the text; nothing is copied or built.
 */
#ifndef CLI_JSON_H
#define CLI_JSON_H

#include <stddef.h>

/* Member of an object; NULL when value is NULL, no object, or has no such member. */
const char *json_get(const char *object, const char *key);
/* Walk an object or array: *at NULL starts it; returns the next value and puts a member's key into key[bytes]; NULL at
 * the end. */
const char *json_next(const char *container, const char **at, char *key, size_t bytes);
double json_number(const char *value, double otherwise); /* null, or no number: otherwise */
const char *json_string(const char *value, char *buf,
                        size_t bytes); /* unescaped, cut to fit; NULL if it is no string */
size_t json_length(const char *value); /* characters of the value's text */

#endif
