/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * fuzz_client.c: libFuzzer's entry for the client socket: its input is what one client sends.
 * Packets are cut from it and handled by the daemon's own code, in the world of
 * tests/unit/client_world.c, with a header that is right (so that the fuzzer need not guess the
 * magic). Built and run by tests/fuzz/test-client.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "daemon/io/client_private.h"
#include "daemon/log.h"
#include "lib/codec.h"
#include "tests/unit/client_world.h"

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *p, size_t len);

static struct engine *engine;

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	const char *path = getenv("FUZZ_SOCKET");
	int error;

	(void)argc, (void)argv;
	log_level_set(LOG_ERR);
	engine = path ? world_open(path, true, &error) : NULL;
	if (engine == NULL) {
		fprintf(stderr, "FUZZ_SOCKET must name a file that can be made\n");
		exit(EXIT_FAILURE);
	}
	return 0;
}

/* What the fuzzer need not find out */
static void header_repair(uint8_t *packet)
{
	struct writer w = writer_of(packet + 4, 8);

	writer_u32(&w, CTDB_MAGIC);
	writer_u32(&w, CTDB_VERSION);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t len)
{
	struct slice all, packet;
	uint8_t *copy = malloc(len);
	int pair[2];

	if (copy == NULL || socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair) != 0)
		abort();
	memcpy(copy, p, len);
	struct client *cl = client_accept(engine->clients, pair[0], getpid());
	if (cl == NULL)
		abort();
	for (all = slice_of(copy, len);
	     !cl->is_dying && packet_frame(all, CTDB_MAX_PACKET, &packet) == 1;) {
		header_repair((uint8_t *)(uintptr_t)packet.p);
		client_take_packet(cl, packet);
		all = slice_of(all.p + packet.len, all.len - packet.len);
	}
	engine_after_event(engine);
	client_kill(cl, NULL);
	engine_after_event(engine);
	close(pair[1]);
	free(copy);
	return 0;
}
