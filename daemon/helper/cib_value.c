/* SPDX-License-Identifier: GPL-3.0-or-later */
/* cib_value.c: values of a CIB as Pacemaker understands them (cib.h) */
#include "config.h"
#include "cib.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define DEFAULT_STONITH_TIMEOUT_MS 60000U

const char *cib_pair_value(const struct cib_pair *pairs, size_t n, const char *name)
{
	for (size_t i = 0; i < n; i++) {
		if (strcmp(pairs[i].name, name) == 0)
			return pairs[i].value;
	}
	return NULL;
}

const char *cib_property(const struct cib *cib, const char *name)
{
	return cib_pair_value(cib->properties, cib->n_properties, name);
}

bool cib_is_true(const char *value, bool dflt)
{
	static const char *const yes[] = { "true", "on", "yes", "y", "1" };
	static const char *const no[] = { "false", "off", "no", "n", "0" };

	for (size_t i = 0; value != NULL && i < sizeof(yes) / sizeof(yes[0]); i++) {
		if (strcasecmp(value, yes[i]) == 0)
			return true;
		if (strcasecmp(value, no[i]) == 0)
			return false;
	}
	return dflt;
}

uint64_t cib_time_ms(const char *value, uint64_t dflt_ms)
{
	static const struct {
		const char *name;
		uint64_t ms;
	} units[] = {
		{ "", 1000 },	  { "s", 1000 },    { "sec", 1000 },
		{ "ms", 1 },	  { "msec", 1 },    { "m", 60000 },
		{ "min", 60000 }, { "h", 3600000 }, { "hr", 3600000 },
	};
	unsigned long long n;
	char *end;

	while (value != NULL && isspace((unsigned char)*value))
		value++;
	if (value == NULL || !isdigit((unsigned char)*value))
		return dflt_ms;
	errno = 0;
	n = strtoull(value, &end, 10);
	if (errno != 0 || n > UINT32_MAX)
		return dflt_ms;
	while (isspace((unsigned char)*end))
		end++;
	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		if (strcasecmp(end, units[i].name) == 0)
			return n * units[i].ms;
	}
	return dflt_ms;
}

bool cib_is_fencing_enabled(const struct cib *cib)
{
	return cib_is_true(cib_property(cib, "stonith-enabled"), true);
}

bool cib_has_fencing_device(const struct cib *cib)
{
	const char *watchdog = cib_property(cib, "stonith-watchdog-timeout");

	for (size_t i = 0; i < cib->n_primitives; i++) {
		const struct cib_primitive *p = &cib->primitives[i];

		if (p->cls != NULL && strcmp(p->cls, "stonith") == 0 && !p->is_stopped)
			return true;
	}
	/* A negative value means: computed from the watchdog's own time-out */
	return cib_is_true(cib_property(cib, "have-watchdog"), false) && watchdog != NULL &&
	       (watchdog[0] == '-' || cib_time_ms(watchdog, 0) > 0);
}

const char *cib_fence_action(const struct cib *cib)
{
	const char *action = cib_property(cib, "stonith-action");

	/* "poweroff" is an old name of off */
	if (action != NULL &&
	    (strcasecmp(action, "off") == 0 || strcasecmp(action, "poweroff") == 0))
		return "off";
	return "reboot";
}

uint64_t cib_fence_timeout_ms(const struct cib *cib)
{
	return cib_time_ms(cib_property(cib, "stonith-timeout"), DEFAULT_STONITH_TIMEOUT_MS);
}

bool cib_is_cotdb(const struct cib_primitive *p)
{
	return p->cls != NULL && p->provider != NULL && p->type != NULL &&
	       strcmp(p->cls, "ocf") == 0 && strcmp(p->provider, "cotdb") == 0 &&
	       strcmp(p->type, "cotdbd") == 0;
}
