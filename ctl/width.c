/* SPDX-License-Identifier: MIT */
/*
 * width.c - display widths by code point ranges.
 *
 * Owns:   nothing.
 * Called: by table.c and whatever prints strangers' text.
 * Fails:  through the buffer only.
 */
#include "config.h"

#include "ctl/width.h"

#include <string.h>

enum {
	REPLACEMENT = 0xfffd
};

struct range {
	uint32_t first, last;
};

/* Combining marks and format characters of the scripts in common use. */
static const struct range zero_ranges[] = {
	{ 0x0300, 0x036f },
	{ 0x0483, 0x0489 },
	{ 0x0591, 0x05bd },
	{ 0x05bf, 0x05bf },
	{ 0x05c1, 0x05c2 },
	{ 0x05c4, 0x05c5 },
	{ 0x0610, 0x061a },
	{ 0x064b, 0x065f },
	{ 0x0670, 0x0670 },
	{ 0x06d6, 0x06dc },
	{ 0x06df, 0x06e4 },
	{ 0x06e7, 0x06e8 },
	{ 0x06ea, 0x06ed },
	{ 0x0900, 0x0902 },
	{ 0x093c, 0x093c },
	{ 0x0941, 0x0948 },
	{ 0x094d, 0x094d },
	{ 0x0e31, 0x0e31 },
	{ 0x0e34, 0x0e3a },
	{ 0x0e47, 0x0e4e },
	{ 0x1ab0, 0x1aff },
	{ 0x1dc0, 0x1dff },
	{ 0x200b, 0x200f },
	{ 0x202a, 0x202e },
	{ 0x2060, 0x2064 },
	{ 0x2066, 0x206f },
	{ 0x20d0, 0x20f0 },
	{ 0xfe00, 0xfe0f },
	{ 0xfe20, 0xfe2f },
	{ 0xfeff, 0xfeff },
	{ 0x1f3fb, 0x1f3ff },
	{ 0xe0100, 0xe01ef },
};

static const struct range wide_ranges[] = {
	{ 0x1100, 0x115f },
	{ 0x231a, 0x231b },
	{ 0x2329, 0x232a },
	{ 0x23e9, 0x23ec },
	{ 0x23f0, 0x23f0 },
	{ 0x23f3, 0x23f3 },
	{ 0x25fd, 0x25fe },
	{ 0x2614, 0x2615 },
	{ 0x2648, 0x2653 },
	{ 0x267f, 0x267f },
	{ 0x2693, 0x2693 },
	{ 0x26a1, 0x26a1 },
	{ 0x26aa, 0x26ab },
	{ 0x26bd, 0x26be },
	{ 0x26c4, 0x26c5 },
	{ 0x26ce, 0x26ce },
	{ 0x26d4, 0x26d4 },
	{ 0x26ea, 0x26ea },
	{ 0x26f2, 0x26f3 },
	{ 0x26f5, 0x26f5 },
	{ 0x26fa, 0x26fa },
	{ 0x26fd, 0x26fd },
	{ 0x2705, 0x2705 },
	{ 0x270a, 0x270b },
	{ 0x2728, 0x2728 },
	{ 0x274c, 0x274c },
	{ 0x274e, 0x274e },
	{ 0x2753, 0x2755 },
	{ 0x2757, 0x2757 },
	{ 0x2795, 0x2797 },
	{ 0x27b0, 0x27b0 },
	{ 0x27bf, 0x27bf },
	{ 0x2b1b, 0x2b1c },
	{ 0x2b50, 0x2b50 },
	{ 0x2b55, 0x2b55 },
	{ 0x2e80, 0x303e },
	{ 0x3041, 0x33ff },
	{ 0x3400, 0x4dbf },
	{ 0x4e00, 0x9fff },
	{ 0xa000, 0xa4cf },
	{ 0xa960, 0xa97f },
	{ 0xac00, 0xd7a3 },
	{ 0xf900, 0xfaff },
	{ 0xfe30, 0xfe6f },
	{ 0xff00, 0xff60 },
	{ 0xffe0, 0xffe6 },
	{ 0x1f004, 0x1f004 },
	{ 0x1f0cf, 0x1f0cf },
	{ 0x1f18e, 0x1f18e },
	{ 0x1f191, 0x1f19a },
	{ 0x1f200, 0x1f320 },
	{ 0x1f32d, 0x1f335 },
	{ 0x1f337, 0x1f37c },
	{ 0x1f37e, 0x1f393 },
	{ 0x1f3a0, 0x1f3ca },
	{ 0x1f3cf, 0x1f3d3 },
	{ 0x1f3e0, 0x1f3f0 },
	{ 0x1f3f4, 0x1f3f4 },
	{ 0x1f3f8, 0x1f3fa },
	{ 0x1f400, 0x1f43e },
	{ 0x1f440, 0x1f440 },
	{ 0x1f442, 0x1f4fc },
	{ 0x1f4ff, 0x1f53d },
	{ 0x1f54b, 0x1f54e },
	{ 0x1f550, 0x1f567 },
	{ 0x1f57a, 0x1f57a },
	{ 0x1f595, 0x1f596 },
	{ 0x1f5a4, 0x1f5a4 },
	{ 0x1f5fb, 0x1f64f },
	{ 0x1f680, 0x1f6c5 },
	{ 0x1f6cc, 0x1f6cc },
	{ 0x1f6d0, 0x1f6d2 },
	{ 0x1f6d5, 0x1f6d7 },
	{ 0x1f6eb, 0x1f6ec },
	{ 0x1f6f4, 0x1f6fc },
	{ 0x1f7e0, 0x1f7eb },
	{ 0x1f90c, 0x1f93a },
	{ 0x1f93c, 0x1f945 },
	{ 0x1f947, 0x1f9ff },
	{ 0x1fa70, 0x1faff },
	{ 0x20000, 0x3fffd },
};

static bool
is_among(uint32_t cp, const struct range *ranges, size_t n)
{
	size_t low = 0, high = n;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (cp > ranges[middle].last)
			low = middle + 1;
		else
			high = middle;
	}
	return low < n && cp >= ranges[low].first;
}

uint32_t
utf8_decode(const char *text, size_t n, size_t *used)
{
	static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	const unsigned char *p = (const unsigned char *)text;
	size_t len = p[0] < 0x80 ? 1
	    : p[0] < 0xc2        ? 0
	    : p[0] < 0xe0        ? 2
	    : p[0] < 0xf0        ? 3
				 : 4;
	uint32_t cp;

	*used = 1;
	if (len == 1)
		return p[0];
	if (len == 0 || p[0] > 0xf4 || n < len)
		return REPLACEMENT;
	cp = p[0] & (0xffu >> (len + 1));
	for (size_t i = 1; i < len; i++) {
		if ((p[i] & 0xc0) != 0x80)
			return REPLACEMENT;
		cp = cp << 6 | (p[i] & 0x3f);
	}
	if (cp < least[len] || cp > 0x10ffff || (cp >= 0xd800 && cp < 0xe000))
		return REPLACEMENT;
	*used = len;
	return cp;
}

unsigned
codepoint_width(uint32_t cp)
{
	if (cp < 0x300)
		return 1;
	if (is_among(cp, zero_ranges, ARRAY_LEN(zero_ranges)))
		return 0;
	return is_among(cp, wide_ranges, ARRAY_LEN(wide_ranges)) ? 2 : 1;
}

/* Also the marks that turn the direction of text, which could hide what is printed. */
static bool
is_control(uint32_t cp)
{
	return cp < 0x20 || (cp >= 0x7f && cp < 0xa0) ||
	    (cp >= 0x202a && cp <= 0x202e) || (cp >= 0x2066 && cp <= 0x2069) ||
	    cp == 0x2028 || cp == 0x2029;
}

unsigned
text_width(const char *text, size_t n)
{
	unsigned width = 0;

	for (size_t i = 0, used; i < n; i += used) {
		uint32_t cp = utf8_decode(text + i, n - i, &used);

		width += is_control(cp) ? 1 : codepoint_width(cp);
	}
	return width;
}

static void
put_codepoint(struct buf *out, uint32_t cp, const char *bytes, size_t used)
{
	if (is_control(cp))
		buf_addc(out, ' ');
	else if (cp == REPLACEMENT)
		buf_adds(out, "\xef\xbf\xbd");
	else
		buf_add(out, bytes, used);
}

unsigned
text_put_cut(struct buf *out, const char *text, size_t n, unsigned width)
{
	unsigned done = 0;
	bool is_cut = width > 0 && text_width(text, n) > width;

	for (size_t i = 0, used; i < n; i += used) {
		uint32_t cp = utf8_decode(text + i, n - i, &used);
		unsigned w = is_control(cp) ? 1 : codepoint_width(cp);

		if (is_cut && done + w > width - 1)
			break;
		put_codepoint(out, cp, text + i, used);
		done += w;
	}
	if (is_cut) {
		buf_adds(out, "…");
		done++;
	}
	return done;
}

void
text_put_safe(struct buf *out, const char *text, size_t n)
{
	for (size_t i = 0, used; i < n; i += used) {
		uint32_t cp = utf8_decode(text + i, n - i, &used);

		if (cp == '\n' || cp == '\t')
			buf_addc(out, (char)cp);
		else if (is_control(cp))
			buf_addf(out, cp < 0x100 ? "\\x%02x" : "\\u%04x", (unsigned)cp);
		else
			put_codepoint(out, cp, text + i, used);
	}
}

void
text_put_wrapped(struct buf *out, const char *text, size_t n, unsigned indent,
    unsigned width)
{
	CLEANUP_BUF struct buf line = BUF_INIT;
	const char *p, *end;
	unsigned at = indent;

	(void)text_put_cut(&line, text, n, 0);
	p = buf_str(&line);
	for (end = p + line.len; p < end;) {
		const char *blank = memchr(p, ' ', (size_t)(end - p));
		size_t len = (size_t)((blank != NULL ? blank : end) - p);
		unsigned w = text_width(p, len);

		if (at > indent && width > 0 && at + 1 + w > width) {
			buf_addf(out, "\n%*s", (int)indent, "");
			at = indent;
		} else if (p > buf_str(&line)) {
			buf_addc(out, ' ');
			at++;
		}
		buf_add(out, p, len);
		at += w;
		p += len + (blank != NULL);
	}
}
