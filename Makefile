# SPDX-License-Identifier: ISC
# raft-tools.  The targets that people use: all demo check install; the rest is listed by `make help`.

B ?= build
CC ?= cc
PREFIX ?= /usr/local
MANDIR ?= $(PREFIX)/share/man
VERSION = 0.1.0

WARN = -Wall -Wextra -Wconversion -Wshadow -Wformat=2 -Wstrict-prototypes -Wmissing-prototypes -Werror
CFLAGS ?= -O2 -g
override CFLAGS += -std=c11 -D_GNU_SOURCE -DRAFT_VERSION='"$(VERSION)"' $(WARN) $(SAN)
override LDFLAGS += $(SAN)

LIBS_FOREIGN = -luv -lsqlite3 -lnng -lyaml -lsodium -lpthread

PROGRAMS := $(notdir $(patsubst %/,%,$(wildcard bin/*/)))
LIBS := client unix conf seal wire raft
LIB_FILES := $(LIBS:%=$(B)/lib/lib%.a)
# The libraries use each other: all use raft's types, all use must() of unix.
LIBS_GROUP := -Wl,--start-group $(LIB_FILES) -Wl,--end-group

sources = $(sort $(wildcard $(1)/*.c))
objects = $(patsubst %.c,$(B)/obj/%.o,$(call sources,$(1)))

.PHONY: all
all: $(PROGRAMS:%=$(B)/bin/%)

define library
$(B)/lib/lib$(1).a: $(call objects,lib/$(1))
	@mkdir -p $$(@D)
	@rm -f $$@
	ar rcs $$@ $$^
endef
$(foreach l,$(LIBS),$(eval $(call library,$(l))))

define program
$(B)/bin/$(1): $(call objects,bin/$(1)) $(LIB_FILES)
	@mkdir -p $$(@D)
	$$(CC) $$(CFLAGS) $$(LDFLAGS) -o $$@ $(call objects,bin/$(1)) $(LIBS_GROUP) $(LIBS_FOREIGN)
endef
$(foreach p,$(PROGRAMS),$(eval $(call program,$(p))))

# Each t/unit/NAME.c is a program of its own.
UNITS := $(patsubst t/unit/%.c,%,$(wildcard t/unit/*.c))
define unit
$(B)/t/$(1): $(B)/obj/t/unit/$(1).o $(LIB_FILES)
	@mkdir -p $$(@D)
	$$(CC) $$(CFLAGS) $$(LDFLAGS) -o $$@ $$< $(LIBS_GROUP) $(LIBS_FOREIGN)
endef
$(foreach u,$(UNITS),$(eval $(call unit,$(u))))

$(B)/obj/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) -MMD -MP -c -o $@ $<

-include $(shell find $(B)/obj -name '*.d' 2>/dev/null)

.PHONY: unit
unit: $(UNITS:%=$(B)/t/%)
	@for u in $^; do echo "== $$u"; $$u || exit 1; done

.PHONY: clean
clean:
	rm -rf $(B)
