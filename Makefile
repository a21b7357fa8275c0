# spoolmail: build, test, install. `make help` lists the targets.

VERSION := 0.1.0
BUILD   ?= build
CC      ?= gcc
PREFIX  ?= /usr/local
DESTDIR ?=

# Each program: its folder, and the libraries it alone needs (pkg-config names and flags).
DIR_usertable  := usertable
LIBS_usertable := -lgsasl
DIR_submit     := jobs/submit
DIR_spool4     := spool4
DIR_usmtp      := usmtp
LIBS_usmtp     := -lunbound -lidn2 -lgsasl
DIR_ssmtp      := ssmtp
LIBS_ssmtp     := -lgsasl
DIR_printer    := jobs/printer
PKG_printer    := gmime-3.0 pangocairo cairo
DIR_postoffice := jobs/postoffice
DIR_jes        := jobs/jes
DIR_sndmsg     := sndmsg
PKG_sndmsg     := gmime-3.0 libedit
ALL_PROGRAMS   := usertable submit spool4 usmtp ssmtp printer postoffice jes sndmsg
PROGRAMS       := $(foreach p,$(ALL_PROGRAMS),$(if $(wildcard $(DIR_$(p))/main.c),$(p)))

WARN   := -Wall -Wextra -Wpedantic -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wvla
HARDEN := -fstack-protector-strong -fPIE -D_FORTIFY_SOURCE=2
ifneq ($(findstring clang,$(CC)),)
HARDEN += -fstack-clash-protection -fcf-protection=full -ftrivial-auto-var-init=pattern
else
HARDEN := $(HARDEN:-D_FORTIFY_SOURCE=2=-D_FORTIFY_SOURCE=3) -fstack-clash-protection \
          -fcf-protection=full -ftrivial-auto-var-init=zero
endif
OPT    ?= -O2 -g
SAN    ?=
ifneq ($(SAN),)
HARDEN := -fno-omit-frame-pointer
OPT    := -O1 -g
endif
CPPFLAGS += -I. -D_GNU_SOURCE -DSPOOLMAIL_VERSION='"$(VERSION)"'
CFLAGS   += -std=c17 $(OPT) $(WARN) $(HARDEN) $(SAN)
LDFLAGS  += -pie -Wl,-z,relro,-z,now,-z,noexecstack $(SAN)

# Which sources make which program. lib is one archive; each program links what it needs of it.
LIB_SRC    := $(wildcard lib/*.c)
TABLE_SRC  := $(filter-out usertable/main.c,$(wildcard usertable/*.c))
$(foreach p,$(PROGRAMS),$(eval SRC_$(p) := $(wildcard $(DIR_$(p))/*.c)))
SRC_usertable := usertable/main.c
LIBS          := -levent_core -lunistring -Wl,--as-needed -lssl -Wl,--no-as-needed -lcrypto -lseccomp -lcap

UNIT  := $(patsubst tests/unit/%.c,%,$(wildcard tests/unit/test_*.c))
TOOLS := $(patsubst tests/tools/%.c,%,$(wildcard tests/tools/*.c)) killat inventory refuse

obj = $(patsubst %.c,$(BUILD)/obj/%.o,$(1))
CORE := $(BUILD)/libspoolmail.a
BIN  := $(PROGRAMS:%=$(BUILD)/%)

DEPS_BUILD := gcc libc6-dev pkg-config libssl-dev libunistring-dev libevent-dev libunbound-dev libidn2-dev libgsasl-dev libseccomp-dev libcap-dev \
              libgmime-3.0-dev libcairo2-dev libpango1.0-dev libedit-dev fonts-dejavu-core
DEPS_TEST  := bats bats-support bats-assert bats-file libcmocka-dev mandoc strace swaks postfix \
              python3 libnet-ssleay-perl tmux expect faketime attr poppler-utils iproute2 openssl \
              dovecot-lmtpd dovecot-imapd dovecot-submissiond libsasl2-modules curl jq xfsprogs nsd unbound \
              ldnsutils bind9-dnsutils dns-root-data
DEPS_LINT  := clang clang-tidy cppcheck shellcheck libclang-rt-14-dev

MANUALS := $(wildcard usertable/*.[1-8] jobs/*/*.[1-8] spool4/*.[1-8] usmtp/*.[1-8] ssmtp/*.[1-8] \
                      sndmsg/*.[1-8] lib/*.[1-8]) $(BUILD)/spoolmail-messages.7

.PHONY: all tools unit manuals deps deps-test deps-lint demo check check-unit check-bats asan lint \
        install clean help
all: $(BIN) manuals
manuals: $(BUILD)/spoolmail-messages.7
help:
	@echo "make all       build the programs into $(BUILD)/"
	@echo "make demo      the main job end to end, on loopback"
	@echo "make check     all tests (installs what they need)"
	@echo "make asan      the same under AddressSanitizer and UBSan"
	@echo "make tsan      the programs that have threads under ThreadSanitizer"
	@echo "make fuzz      fuzz every parser, FUZZ_SECONDS each (60); TARGETS=fuzz_x for one"
	@echo "make afl       AFL++ on whole programs, AFL_SECONDS each (180)"
	@echo "make crash     kill, fault, power-cut and clock sweeps (long, as root); CRASH=kill for one"
	@echo "make simulate  both sites on simulated machines, from one SEED; MISTAKES=1: planted mistakes"
	@echo "make bench     beside other mail servers; BENCH=--quick for a minute"
	@echo "make coverage  branches taken by the tests"
	@echo "make lint      static checks of sources, scripts and manuals"
	@echo "make install   to DESTDIR and PREFIX"
	@echo "make deps      Debian packages that the build needs"

# Installs what is missing; asks for nothing when all is there. Root, or sudo where there is one.
SUDO := $(if $(filter 0,$(shell id -u)),,sudo)
define install_packages
	@missing=""; for p in $(1); do \
	  dpkg-query -W -f '$${Status}' $$p 2>/dev/null | grep -q 'ok installed' || missing="$$missing $$p"; \
	done; test -z "$$missing" || { set -e; echo "installing$$missing"; $(SUDO) apt-get update -qq; \
	  echo 'postfix postfix/main_mailer_type select No configuration' | $(SUDO) debconf-set-selections; \
	  $(SUDO) env RUNLEVEL=1 DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
	    $$missing >$(BUILD)/apt.log 2>&1 || { tail -20 $(BUILD)/apt.log; exit 1; }; }
endef
deps:
	@mkdir -p $(BUILD)
	$(call install_packages,$(DEPS_BUILD))
deps-test: deps
	$(call install_packages,$(DEPS_TEST))
deps-lint: deps-test
	$(call install_packages,$(DEPS_LINT))

demo: deps
	@$(MAKE) --no-print-directory -j2 all tools >$(BUILD)/build.log 2>&1 || { cat $(BUILD)/build.log; exit 1; }
	@BUILD=$(abspath $(BUILD)) ./demo.sh

check: deps-test
	@$(MAKE) --no-print-directory -j2 all tools unit
	@BUILD=$(abspath $(BUILD)) tests/run

asan:
	@$(MAKE) --no-print-directory check BUILD=build-asan SAN="-fsanitize=address,undefined -fno-sanitize-recover=undefined"

# What has threads, under ThreadSanitizer: the receiver's committer and checkpoint, the closer, the syncer, the resolver, spool4.
.PHONY: tsan
tsan: deps-test
	@$(MAKE) --no-print-directory -j2 all tools unit BUILD=build-tsan SAN="-fsanitize=thread"
	@set -e; for t in ssmtp_commit ssmtp_recover closer syncer; do build-tsan/unit/test_$$t; done
	@BUILD=$(CURDIR)/build-tsan tests/run tests/spool4.bats tests/ssmtp.bats tests/ssmtp_journal.bats tests/usmtp.bats tests/tls.bats

# Coverage-guided fuzzing of every parser and session: FUZZ_SECONDS for each target.
FUZZERS := $(patsubst tests/fuzz/%.c,$(BUILD)/fuzz/%,$(wildcard tests/fuzz/fuzz_*.c))
.PHONY: fuzz fuzzers
fuzz: deps-lint
	@$(MAKE) --no-print-directory -j2 fuzzers BUILD=build-fuzz CC=clang \
	  SAN="-fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=undefined"
	@BUILD=$(CURDIR)/build-fuzz tests/fuzz/run $(TARGETS)
fuzzers: $(if $(TARGETS),$(TARGETS:%=$(BUILD)/fuzz/%),$(FUZZERS))
$(BUILD)/fuzz/%: $(BUILD)/obj/tests/fuzz/%.o $(BUILD)/libparts.a $(CORE)
	@mkdir -p $(@D)
	$(CC) $(LDFLAGS) -fsanitize=fuzzer -o $@ $^ $(foreach p,$(PROGRAMS),$(LIBS_$(p))) $(LIBS)

# The same targets over their kept inputs, with any compiler: part of the unit tests.
REPLAYS := $(patsubst tests/fuzz/%.c,$(BUILD)/replay/%,$(wildcard tests/fuzz/fuzz_*.c))
$(BUILD)/replay/%: $(BUILD)/obj/tests/fuzz/%.o $(BUILD)/obj/tests/fuzz/replay.o $(BUILD)/libparts.a $(CORE)
	@mkdir -p $(@D)
	$(CC) $(LDFLAGS) -o $@ $^ $(foreach p,$(PROGRAMS),$(LIBS_$(p))) $(LIBS)

# AFL++ on whole programs: AFL_SECONDS for each; PROGRAMS_AFL for some.
.PHONY: afl
afl: deps-lint
	$(call install_packages,afl++)
	@$(MAKE) --no-print-directory -j2 build-afl/aflrun BUILD=build-afl CC=afl-clang-fast \
	  SAN="-fsanitize=address,undefined -fno-sanitize-recover=undefined"
	@BUILD=$(CURDIR)/build-afl tests/fuzz/afl $(PROGRAMS_AFL)
$(BUILD)/aflrun: $(BUILD)/obj/tests/fuzz/aflrun.o $(BUILD)/libparts.a $(CORE)
	$(CC) $(LDFLAGS) -o $@ $^ $(foreach p,$(PROGRAMS),$(LIBS_$(p))) $(LIBS)

# Branches taken by the programs under test and the unit tests, by gcov. The unit tests come last: what a
# program that was killed made of its counts is thrown away before.
.PHONY: coverage
coverage: deps-test
	@$(MAKE) --no-print-directory -j2 all tools unit BUILD=build-cov OPT="-O0 -g" SAN="--coverage -DSPOOLMAIL_COVERAGE"
	@find build-cov -name '*.gcda' -delete
	-@BUILD=$(CURDIR)/build-cov tests/run tests/*.bats >build-cov/tests.log
	@find build-cov -name '*.gcda' -exec sh -c 'for f; do [ "$$(head -c 4 "$$f")" = adcg ] || rm "$$f"; done' sh {} +
	-@BUILD=$(CURDIR)/build-cov tests/run unit >>build-cov/tests.log
	@tests/coverage build-cov

lint: deps-lint
	tests/lint

$(BUILD)/spoolmail-messages.7: $(BUILD)/tests/msgman
	$(BUILD)/tests/msgman >$@

install: all
	install -d $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(PREFIX)/sbin
	$(foreach p,$(PROGRAMS),install -m 755 $(BUILD)/$(p) \
	  $(DESTDIR)$(PREFIX)/$(if $(wildcard $(DIR_$(p))/$(p).8),sbin,bin)/$(p) &&) true
	$(foreach m,$(MANUALS),install -D -m 644 $(m) \
	  $(DESTDIR)$(PREFIX)/share/man/man$(subst .,,$(suffix $(m)))/$(notdir $(m)) &&) true
	install -d $(DESTDIR)$(PREFIX)/share/spoolmail
	cp -R jobs/samples/. $(DESTDIR)$(PREFIX)/share/spoolmail/

clean:
	rm -rf build build-asan build-tsan build-fuzz build-afl build-cov

tools: $(TOOLS:%=$(BUILD)/tests/%) $(BUILD)/tests/failmalloc.so $(BUILD)/tests/simulate
unit: $(UNIT:%=$(BUILD)/unit/%) $(REPLAYS)

$(CORE): $(call obj,$(LIB_SRC) $(TABLE_SRC))
	@rm -f $@
	ar rcs $@ $^

# The parts of a program that tests link: all but main.c.
parts = $(call obj,$(filter-out %/main.c,$(SRC_$(1))))
define program
ifneq ($$(PKG_$(1)),)
LIBS_$(1) += $$(shell pkg-config --libs $$(PKG_$(1)))
$$(call obj,$$(SRC_$(1))): CPPFLAGS += $$(shell pkg-config --cflags $$(PKG_$(1)) | sed 's/-I/-isystem/g')
endif
$(BUILD)/$(1): $$(call obj,$$(SRC_$(1))) $$(CORE)
	$$(CC) $$(LDFLAGS) -o $$@ $$^ $$(LIBS_$(1)) $$(LIBS)
endef
$(foreach p,$(PROGRAMS),$(eval $(call program,$(p))))

ALL_PARTS = $(foreach p,$(PROGRAMS),$(call parts,$(p)))
$(BUILD)/libparts.a: $(ALL_PARTS)
	@rm -f $@
	ar rcs $@ $^
$(BUILD)/unit/%: $(BUILD)/obj/tests/unit/%.o $(BUILD)/libtest.a $(BUILD)/libparts.a $(CORE)
	@mkdir -p $(@D)
	$(CC) $(LDFLAGS) -o $@ $^ $(foreach p,$(PROGRAMS),$(LIBS_$(p))) $(LIBS) -lcmocka
# Those that let calls of the C library fail take them through the wrappers of faults.c.
$(BUILD)/unit/test_faults_%: $(BUILD)/obj/tests/unit/test_faults_%.o $(BUILD)/libtest.a $(BUILD)/libparts.a $(CORE)
	@mkdir -p $(@D)
	$(CC) $(LDFLAGS) -o $@ $^ $$(tests/unit/wraps) $(foreach p,$(PROGRAMS),$(LIBS_$(p))) $(LIBS) -lcmocka
$(BUILD)/obj/tests/unit/faults.o: HARDEN := -fPIE
$(BUILD)/libtest.a: $(call obj,$(filter-out tests/unit/test_%,$(wildcard tests/unit/*.c)))
	@rm -f $@
	ar rcs $@ $^
$(BUILD)/tests/%: $(BUILD)/obj/tests/tools/%.o $(BUILD)/libparts.a $(CORE)
	@mkdir -p $(@D)
	$(CC) $(LDFLAGS) -o $@ $^ $(LIBS)

$(BUILD)/tests/killat $(BUILD)/tests/inventory $(BUILD)/tests/refuse: $(BUILD)/tests/%: $(BUILD)/obj/tests/crash/%.o $(CORE)
	@mkdir -p $(@D)
	$(CC) $(LDFLAGS) -o $@ $^ $(LIBS)
# An allocator that fails when told; never itself under a sanitizer.
$(BUILD)/tests/failmalloc.so: tests/crash/failmalloc.c
	@mkdir -p $(@D)
	$(CC) -std=c17 -O2 $(WARN) -D_GNU_SOURCE -I. -shared -fPIC -o $@ $< -ldl

# Two sites, a disk, a network and a clock, all simulated in one process. MISTAKES=1: instead, planted
# mistakes, each of which it must find.
.PHONY: simulate
SEED ?= 1
simulate: deps
	@$(MAKE) --no-print-directory -j2 $(BUILD)/tests/simulate
	$(BUILD)/tests/simulate --jobs 2 $(if $(MISTAKES),--mistake all) $(SIMULATE) $(SEED)
# Each call that a header there names with WRAP is taken from the C library and given to the simulation.
$(BUILD)/obj/tests/simulate/%.o: HARDEN := -fPIE
$(BUILD)/tests/simulate: $(call obj,$(wildcard tests/simulate/*.c)) $(BUILD)/libparts.a $(CORE)
	@mkdir -p $(@D)
	$(CC) $(LDFLAGS) -o $@ $^ $$(tests/simulate/wraps) $(foreach p,$(PROGRAMS),$(LIBS_$(p))) $(LIBS)

# Beside other mail servers, as root; BENCH holds its options. Hours without any.
.PHONY: bench
bench: deps-test
	@$(MAKE) --no-print-directory -j2 all tools
	BUILD=$(abspath $(BUILD)) tests/bench/bench $(BENCH)

# The long sweeps: kills, faults, power cuts, orders of calls, clocks, planted mistakes. Hours, as root.
.PHONY: crash
crash: deps-test
	@$(MAKE) --no-print-directory -j2 all tools
	BUILD=$(abspath $(BUILD)) tests/crash/long -j 2 $(CRASH)

.SECONDARY:
$(BUILD)/obj/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(CFLAGS) -MMD -MP -c -o $@ $<

-include $(shell find $(BUILD)/obj -name '*.d' 2>/dev/null)
