# SPDX-License-Identifier: ISC
# raft-tools.  Targets: all, demo, check, install, uninstall, lint, clean; `make help` lists the rest.

B ?= build
PREFIX ?= /usr/local
BINDIR ?= $(PREFIX)/bin
MANDIR ?= $(PREFIX)/share/man
DOCDIR ?= $(PREFIX)/share/doc/raft-tools
VERSION = 0.1.0

# A warning is an error in `make check`: other compilers know other warnings.
WERROR ?=
WARN = -Wall -Wextra -Wconversion -Wshadow -Wformat=2 -Wstrict-prototypes -Wmissing-prototypes
CFLAGS ?= -O2 -g
override CFLAGS += -std=c11 -D_GNU_SOURCE -Ilib -DRAFT_VERSION='"$(VERSION)"' $(WARN) $(SAN)
override LDFLAGS += $(SAN)

PROGRAMS := $(notdir $(patsubst %/,%,$(wildcard bin/*/)))
LIBS := prog client local conf seal unix wire raft
LIB_FILES := $(LIBS:%=$(B)/lib/lib%.a)
PAGES := $(wildcard man/*.[1-9])

sources = $(sort $(wildcard $(1)/*.c))
objects = $(patsubst %.c,$(B)/obj/%.o,$(call sources,$(1)))

.PHONY: all
all: $(PROGRAMS:%=$(B)/bin/%)

# The libraries of others.  `make` says what is missing; these goals install it.
FOREIGN = libuv sqlite3 yaml-0.1 libsodium
INSTALLING := $(filter deps demo check check-% lint fuzz fuzz-% partitions powerloss bench bench-peers,$(MAKECMDGOALS))
$(B)/deps-build $(B)/deps-check $(B)/deps-peers: $(B)/deps-%: etc/install-deps
	@etc/install-deps $* $@
$(B)/foreign.mk: Makefile | $(if $(INSTALLING),$(B)/deps-build)
	@mkdir -p $(@D)
	@{ pkg-config --exists $(FOREIGN) && echo '#include <nng/nng.h>' | $(CC) -E -; } >$@.tmp 2>&1 || \
		{ etc/install-deps -n build; exit 1; }
	@{ echo "FOREIGN_CFLAGS = $$(pkg-config --cflags $(FOREIGN))"; \
	   echo "FOREIGN_LIBS = $$(pkg-config --libs $(FOREIGN)) -lnng -lpthread"; } >$@.tmp && mv $@.tmp $@
ifneq ($(filter-out clean deps help uninstall,$(or $(MAKECMDGOALS),all)),)
include $(B)/foreign.mk
endif
.PHONY: deps
deps:
	@etc/install-deps build $(B)/deps-build

# What everything is compiled with: when it changes, everything is compiled again.
FLAGS = $(CC) $(CFLAGS) $(LDFLAGS) $(FOREIGN_CFLAGS) $(FOREIGN_LIBS)
SHELL_FLAGS = '$(subst ','\'',$(FLAGS))'
.PHONY: FORCE
$(B)/flags: FORCE
	@mkdir -p $(@D)
	@printf '%s\n' $(SHELL_FLAGS) | cmp -s - $@ || printf '%s\n' $(SHELL_FLAGS) >$@

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
	$$(CC) $$(CFLAGS) $$(LDFLAGS) -o $$@ $(call objects,bin/$(1)) -Wl,--start-group $(LIB_FILES) -Wl,--end-group $$(FOREIGN_LIBS)
endef
$(foreach p,$(PROGRAMS),$(eval $(call program,$(p))))

# Each t/unit/NAME.c is a test, each t/tools/NAME.c a helper of the suites, each t/bench/NAME.c one of the figures.
UNITS := $(patsubst t/unit/%.c,%,$(wildcard t/unit/*.c))
TOOLS := $(patsubst t/tools/%.c,%,$(wildcard t/tools/*.c))
UNIT_peerd_pair = $(addprefix bin/raft-peerd/,connection delivery handshake peer peers queue rate renewal route strangers)
BENCHES := $(patsubst t/bench/%.c,%,$(wildcard t/bench/*.c))
UNIT_codec = bin/raft-elect/codec
define test_program
$(B)/t/$(2): $(B)/obj/t/$(1)/$(2).o $(UNIT_$(2):%=$(B)/obj/%.o) $(LIB_FILES)
	@mkdir -p $$(@D)
	$$(CC) $$(CFLAGS) $$(LDFLAGS) -o $$@ $$(filter %.o,$$^) -Wl,--start-group $(LIB_FILES) -Wl,--end-group $$(FOREIGN_LIBS)
endef
$(foreach u,$(UNITS),$(eval $(call test_program,unit,$(u))))
$(foreach u,$(TOOLS),$(eval $(call test_program,tools,$(u))))
$(foreach u,$(BENCHES),$(eval $(call test_program,bench,$(u))))

$(B)/obj/%.o: %.c Makefile $(B)/flags
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) $(WERROR) $(FOREIGN_CFLAGS) -MMD -MP -c -o $@ $<

-include $(shell find $(B)/obj -name '*.d' 2>/dev/null)

.PHONY: unit units tools
tools: $(TOOLS:%=$(B)/t/%) $(BENCHES:%=$(B)/t/%) $(B)/t/record.so $(B)/t/clock.so
units: $(UNITS:%=$(B)/t/%)
unit: $(UNITS:%=$(B)/t/%)
	@t/unit/run $^

.PHONY: check check-debian13 lint demo
check: $(B)/deps-check
	@t/check $(B)
check-debian13:
	@t/debian trixie $(B)/debian13
lint: $(B)/deps-check
	@t/lint
demo: all
	@etc/demo $(B)/bin

# Pages and units name the places that are asked for.  No path may hold a newline, a comma or a quote.
PLACES = sed 's,/usr/local/bin,$(subst &,\&,$(BINDIR)),g; s,/usr/local,$(subst &,\&,$(PREFIX)),g'
D = $(DESTDIR)
.PHONY: install uninstall
install: all
	install -d '$(D)$(BINDIR)' '$(D)$(DOCDIR)/examples'
	install -m 755 $(PROGRAMS:%=$(B)/bin/%) '$(D)$(BINDIR)'
	for p in $(PAGES); do \
		d='$(D)$(MANDIR)'/man$${p##*.}; \
		install -d "$$d" && $(PLACES) $$p >"$$d/$${p##*/}" || exit 1; \
	done
	cp -R etc/examples/. etc/raft-follow.logrotate etc/raft.yaml etc/s6 '$(D)$(DOCDIR)/examples'
	for u in etc/*.service; do $(PLACES) "$$u" >'$(D)$(DOCDIR)'/examples/"$${u##*/}" || exit 1; done
	install -m 644 README '$(D)$(DOCDIR)'
# A staging folder is left as it was found; folders of a system stay.
uninstall:
	cd '$(D)$(BINDIR)' && rm -f $(PROGRAMS)
	for p in $(PAGES); do rm -f '$(D)$(MANDIR)'/man$${p##*.}/$${p##*/}; done
	rm -rf '$(D)$(DOCDIR)'
	[ -z '$(D)' ] || find '$(D)' -depth -type d -empty -delete

.PHONY: clean help
clean:
	rm -rf $(B)
help:
	@echo 'all        build the programs into $(B)/bin; says what is missing and installs nothing'
	@echo 'deps       install the libraries and tools that the build needs (Debian)'
	@echo 'demo       three nodes, real text, one killed on the way: shows that nothing is lost'
	@echo 'check      all tests (installs what they need)'
	@echo 'check-debian13  the same on Debian 13, in $(B)/debian13 (needs root)'
	@echo 'lint       shellcheck, mandoc, house style'
	@echo 'unit       unit tests alone'
	@echo 'install    DESTDIR= PREFIX=; uninstall takes it away again'
	@echo 'sim soak   the simulator: a thousand seeds; for SECONDS=n'
	@echo 'coverage   branches of the core that its tests take, a line a file'
	@echo 'mutants    planted bugs in the core: each must be found by its test; mutants-tenth: those of the day'
	@echo 'fuzz       every decoder, SECONDS=n each'
	@echo 'powerloss  raft-logd and raft-kv on disks that a loss of power leaves: SEEDS=n of COUNT=n disks each'
	@echo 'bench      a table: throughput, latency, fail-over, catch-up, memory; ROUNDS=n of each, DIVIDE=n for less load'
	@echo 'bench-peers  a table: the same load on etcd and hashicorp/raft in turn (installs Go; Debian 12)'
	@echo 'growth     how costs grow with nodes, sizes, clients and the log: figures; ENTRIES=n of the log, at its end'
	@echo 'partitions longer network faults, in namespaces and through a relay'
	@echo 'clean      remove $(B)'

# The simulator: the core alone, whole clusters of it in one process (t/sim).
SIM_OBJECTS := $(call objects,t/sim) $(call objects,lib/raft)
SIM_JOBS ?= 2
SECONDS ?= 60
$(B)/t/sim: $(SIM_OBJECTS)
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $(SIM_OBJECTS)

.PHONY: sim-program sim sim-short soak mutants mutants-tenth
sim-program: $(B)/t/sim
sim: sim-program
	@t/sim/run $(B)/t/sim full $(SIM_JOBS)
sim-short: sim-program
	@t/sim/run $(B)/t/sim short $(SIM_JOBS)
soak: sim-program
	@$(B)/t/sim --jobs $(SIM_JOBS) --seed $$(date +%s) --seconds $(SECONDS)
MUTANT_TESTS := sim-program $(patsubst t/unit/%.c,$(B)/t/%,$(wildcard t/unit/raft_*.c))
mutants: $(MUTANT_TESTS)
	@CC='$(CC)' SAN='$(SAN)' SIM_JOBS=$(SIM_JOBS) t/mutants/run $(B)
mutants-tenth: $(MUTANT_TESTS)
	@CC='$(CC)' SAN='$(SAN)' SIM_JOBS=$(SIM_JOBS) t/mutants/run --tenth $(B)
.PHONY: coverage
coverage:
	@mkdir -p $(B)
	@t/coverage $(B)/coverage

# Fuzzers: each t/fuzz/NAME.c feeds one decoder, or the core, with anything (t/fuzz/fuzz.h).
FUZZERS := $(patsubst t/fuzz/%.c,%,$(wildcard t/fuzz/*.c))
FUZZ_SAN = -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer
FUZZ_codec = bin/raft-elect/codec
FUZZ_core = bin/raft-elect/codec
FUZZ_connection = $(UNIT_peerd_pair)
FUZZ_load = bin/raft-elect/load
FUZZ_mark = bin/raft-logd/mark
FUZZ_state = bin/raft-follow/state
FUZZ_reply = bin/raft-fsm/reply bin/raft-fsm/replies
define fuzzer
$(B)/t/fuzz/$(1): $(B)/obj/t/fuzz/$(1).o $(FUZZ_$(1):%=$(B)/obj/%.o) $(LIB_FILES)
	@mkdir -p $$(@D)
	$$(CC) $$(CFLAGS) $$(LDFLAGS) -fsanitize=fuzzer -o $$@ $$(filter %.o,$$^) \
		-Wl,--start-group $(LIB_FILES) -Wl,--end-group $$(FOREIGN_LIBS)
endef
$(foreach f,$(FUZZERS),$(eval $(call fuzzer,$(f))))

.PHONY: fuzz fuzz-short fuzz-build fuzzers
fuzzers: $(FUZZERS:%=$(B)/t/fuzz/%)
fuzz-build: $(B)/deps-check
	@$(MAKE) --no-print-directory -j2 B=$(B)/fuzz CC=clang CFLAGS='-O1 -g' SAN='$(FUZZ_SAN)' fuzzers
fuzz: fuzz-build
	@t/fuzz/run $(B)/fuzz $(SECONDS)
fuzz-short: fuzz-build
	@t/fuzz/run $(B)/fuzz short

# Network faults that take longer than those of make check.
.PHONY: partitions
partitions: $(B)/deps-check all tools
	@BIN=$(abspath $(B))/bin TBIN=$(abspath $(B))/t timeout -k 30 1200 bats t/partitions-*.bats

# Power loss: the recorder, and disks by the thousand (t/powerloss).
SEEDS ?= 20
COUNT ?= 200
$(B)/t/record.so: t/powerloss/record.c
$(B)/t/clock.so: t/preload/clock.c
$(B)/t/record.so $(B)/t/clock.so:
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) $(LDFLAGS) -fPIC -shared -o $@ $<
.PHONY: powerloss
powerloss: $(B)/deps-check all tools
	@BIN=$(abspath $(B))/bin TBIN=$(abspath $(B))/t t/powerloss/run --seeds $(SEEDS) --count $(COUNT) --keep $(B)/powerloss
	@BIN=$(abspath $(B))/bin TBIN=$(abspath $(B))/t t/powerloss/run --seeds $(SEEDS) --count $(COUNT) --damage --keep $(B)/powerloss \
		appends snapshots received first migration

# Tables of figures, without a verdict; each single one is in a file below $(B)/bench.
.PHONY: bench bench-peers
bench: $(B)/deps-check all tools
	@BIN=$(abspath $(B))/bin TBIN=$(abspath $(B))/t OUT='$(B)/bench' t/bench/run
bench-peers: $(B)/deps-check $(B)/deps-peers all tools
	@t/bench/build-peers '$(B)/bench'
	@BIN=$(abspath $(B))/bin TBIN=$(abspath $(B))/t OUT='$(B)/bench' t/bench/peers
.PHONY: growth
growth: all tools
	@t/bench/growth
