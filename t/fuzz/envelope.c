/* SPDX-License-Identifier: ISC */
/* What anybody may send to a raft-peerd, before it is known who: the envelope. */
#include "seal/envelope.h"
#include "wire/message.h"
#include "fuzz.h"

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	struct envelope envelope;
	uint8_t made[ENVELOPE_REPLY_SIZE];
	size_t head = 0;
	enum envelope_error error = envelope_get(&envelope, bytes, size, &head);

	must(strlen(envelope_error_text(error)) > 0);
	if (error != ENVELOPE_OK)
		return 0;
	must(head <= size);
	must(envelope.class < WIRE_CLASSES_COUNT);
	must(!raft_id_none(&envelope.sender));
	must(envelope_put(made, &envelope) == head);
	must(memcmp(made, bytes, head) == 0);
	if (envelope.kind == ENVELOPE_TRANSPORT)
		must(size - head >= CHANNEL_TAG_SIZE);
	return 0;
}

static void
seeds(void)
{
	static const size_t sizes[] = {ENVELOPE_HELLO_SIZE, ENVELOPE_REPLY_SIZE,
	    ENVELOPE_HEAD_SIZE + CHANNEL_TAG_SIZE, ENVELOPE_HINT_SIZE};

	for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
		uint8_t made[ENVELOPE_REPLY_SIZE] = {0};
		struct envelope envelope = {
		    .kind = (enum envelope_kind)(i + 1), .sender = {"n1"}, .receiver = {"n2"}};

		envelope_put(made, &envelope);
		fuzz_seed(made, sizes[i]);
	}
}
