/*
 * Bounded load for the dataplane benchmarks; IPv4.
 *
 *   load udp PAIRS PORT TUPLES FIRST COUNT    one-way UDP packets over TUPLES different 5-tuples, beginning with number FIRST
 *   load connect PAIRS PORT MILLISECONDS WIDTH   TCP connections, opened and reset, WIDTH at a time
 *   load serve PORT SECONDS                   accepts and closes; prints a line when it listens
 *
 * PAIRS is a file of lines `source destination`. One line of JSON comes out.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/ip.h>
#include <netinet/tcp.h>
#include <netinet/udp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define MOST_PAIRS 65536
#define BATCH 32
#define FIRST_PORT 10000
#define PORTS 50000
#define PAYLOAD 18
#define MOST_SECONDS 60
#define MOST_WIDTH 1024

struct pair {
  in_addr_t source, destination;
};

static struct pair pairs[MOST_PAIRS];
static size_t pair_count;

static void fail(const char *what) {
  fprintf(stderr, "load: %s: %s\n", what, strerror(errno));
  exit(1);
}

static double seconds_of(clockid_t clock) {
  struct timespec now;
  if (clock_gettime(clock, &now) != 0) fail("clock_gettime");
  return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static unsigned long number(const char *text, unsigned long most) {
  char *end;
  errno = 0;
  unsigned long value = strtoul(text, &end, 10);
  if (errno != 0 || *text == '\0' || *end != '\0' || value > most) {
    fprintf(stderr, "load: `%s` is not a number up to %lu\n", text, most);
    exit(64);
  }
  return value;
}

static void read_pairs(const char *path) {
  FILE *file = fopen(path, "re");
  if (file == NULL) fail(path);
  char source[64], destination[64];
  while (pair_count < MOST_PAIRS && fscanf(file, "%63s %63s", source, destination) == 2) {
    struct pair *pair = &pairs[pair_count++];
    if (inet_pton(AF_INET, source, &pair->source) != 1 || inet_pton(AF_INET, destination, &pair->destination) != 1) {
      fprintf(stderr, "load: `%s %s` are not two addresses\n", source, destination);
      exit(64);
    }
  }
  fclose(file);
  if (pair_count == 0) {
    fprintf(stderr, "load: %s has no pairs\n", path);
    exit(64);
  }
}

static void run_udp(unsigned short port, unsigned long tuples, unsigned long first, unsigned long count) {
  struct {
    struct iphdr ip;
    struct udphdr udp;
    char payload[PAYLOAD];
  } __attribute__((packed)) packets[BATCH];
  struct mmsghdr messages[BATCH];
  struct iovec vectors[BATCH];
  struct sockaddr_in targets[BATCH];
  memset(packets, 0, sizeof packets);
  memset(messages, 0, sizeof messages);
  memset(targets, 0, sizeof targets);
  for (int i = 0; i < BATCH; i++) {
    packets[i].ip.version = 4;
    packets[i].ip.ihl = 5;
    packets[i].ip.ttl = 64;
    packets[i].ip.frag_off = htons(IP_DF);
    packets[i].ip.protocol = IPPROTO_UDP;
    packets[i].ip.tot_len = htons(sizeof packets[i]);
    packets[i].udp.dest = htons(port);
    /* No checksum, which IPv4 permits. */
    packets[i].udp.len = htons(sizeof packets[i].udp + PAYLOAD);
    vectors[i] = (struct iovec){.iov_base = &packets[i], .iov_len = sizeof packets[i]};
    targets[i].sin_family = AF_INET;
    messages[i].msg_hdr = (struct msghdr){
        .msg_name = &targets[i], .msg_namelen = sizeof targets[i], .msg_iov = &vectors[i], .msg_iovlen = 1};
  }
  int fd = socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_RAW);
  if (fd < 0) fail("raw socket");
  double wall = seconds_of(CLOCK_MONOTONIC), cpu = seconds_of(CLOCK_PROCESS_CPUTIME_ID);
  unsigned long sent = 0;
  while (sent < count) {
    unsigned batch = count - sent < BATCH ? (unsigned)(count - sent) : BATCH;
    for (unsigned i = 0; i < batch; i++) {
      unsigned long tuple = first + (sent + i) % tuples;
      const struct pair *pair = &pairs[tuple % pair_count];
      packets[i].ip.saddr = pair->source;
      packets[i].ip.daddr = targets[i].sin_addr.s_addr = pair->destination;
      packets[i].udp.source = htons((unsigned short)(FIRST_PORT + tuple / pair_count % PORTS));
    }
    int done = sendmmsg(fd, messages, batch, 0);
    if (done < 0) {
      if (errno == ENOBUFS || errno == EINTR) continue;
      fail("sendmmsg");
    }
    sent += (unsigned)done;
    if (seconds_of(CLOCK_MONOTONIC) - wall > MOST_SECONDS) break;
  }
  cpu = seconds_of(CLOCK_PROCESS_CPUTIME_ID) - cpu;
  wall = seconds_of(CLOCK_MONOTONIC) - wall;
  printf("{\"count\":%lu,\"wall\":%.6f,\"cpu\":%.6f}\n", sent, wall, cpu);
}

static void set_flag(int fd, int level, int option) {
  int on = 1;
  if (setsockopt(fd, level, option, &on, sizeof on) != 0) fail("setsockopt");
}

static int start_connection(int events, const struct pair *pair, unsigned short port) {
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) fail("socket");
  set_flag(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT);
  struct linger reset = {.l_onoff = 1, .l_linger = 0};
  if (setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset) != 0) fail("SO_LINGER");
  struct sockaddr_in from = {.sin_family = AF_INET, .sin_addr.s_addr = pair->source};
  struct sockaddr_in to = {.sin_family = AF_INET, .sin_addr.s_addr = pair->destination, .sin_port = htons(port)};
  if (bind(fd, (struct sockaddr *)&from, sizeof from) != 0) fail("bind");
  if (connect(fd, (struct sockaddr *)&to, sizeof to) != 0 && errno != EINPROGRESS) fail("connect");
  struct epoll_event wanted = {.events = EPOLLOUT, .data.fd = fd};
  if (epoll_ctl(events, EPOLL_CTL_ADD, fd, &wanted) != 0) fail("epoll_ctl");
  return fd;
}

static void run_connect(unsigned short port, unsigned long milliseconds, unsigned long width) {
  int events = epoll_create1(EPOLL_CLOEXEC);
  if (events < 0) fail("epoll_create1");
  struct epoll_event ready[MOST_WIDTH];
  unsigned long done = 0, failed = 0, started = 0;
  double wall = seconds_of(CLOCK_MONOTONIC), cpu = seconds_of(CLOCK_PROCESS_CPUTIME_ID);
  for (; started < width; started++) start_connection(events, &pairs[started % pair_count], port);
  while (seconds_of(CLOCK_MONOTONIC) - wall < (double)milliseconds / 1000) {
    int count = epoll_wait(events, ready, MOST_WIDTH, 100);
    if (count < 0 && errno != EINTR) fail("epoll_wait");
    for (int i = 0; i < count; i++) {
      int error = 0;
      socklen_t length = sizeof error;
      if (getsockopt(ready[i].data.fd, SOL_SOCKET, SO_ERROR, &error, &length) != 0) fail("SO_ERROR");
      if (error == 0) done++;
      else failed++;
      close(ready[i].data.fd);
      start_connection(events, &pairs[started++ % pair_count], port);
    }
  }
  cpu = seconds_of(CLOCK_PROCESS_CPUTIME_ID) - cpu;
  wall = seconds_of(CLOCK_MONOTONIC) - wall;
  printf("{\"count\":%lu,\"failed\":%lu,\"wall\":%.6f,\"cpu\":%.6f}\n", done, failed, wall, cpu);
}

static void run_serve(unsigned short port, unsigned long seconds) {
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) fail("socket");
  set_flag(fd, SOL_SOCKET, SO_REUSEADDR);
  struct sockaddr_in any = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_ANY), .sin_port = htons(port)};
  if (bind(fd, (struct sockaddr *)&any, sizeof any) != 0) fail("bind");
  if (listen(fd, 4096) != 0) fail("listen");
  printf("{\"listening\":%u}\n", port);
  fflush(stdout);
  alarm((unsigned)seconds);
  for (;;) {
    int peer = accept4(fd, NULL, NULL, SOCK_CLOEXEC);
    if (peer >= 0) close(peer);
    else if (errno != EINTR && errno != ECONNABORTED) fail("accept");
  }
}

int main(int argc, char **argv) {
  if (argc == 7 && strcmp(argv[1], "udp") == 0) {
    read_pairs(argv[2]);
    unsigned long tuples = number(argv[4], 1000000000UL);
    if (tuples == 0) return 64;
    run_udp((unsigned short)number(argv[3], 65535), tuples, number(argv[5], 1000000000UL), number(argv[6], 100000000UL));
  } else if (argc == 6 && strcmp(argv[1], "connect") == 0) {
    read_pairs(argv[2]);
    run_connect((unsigned short)number(argv[3], 65535), number(argv[4], MOST_SECONDS * 1000UL), number(argv[5], MOST_WIDTH));
  } else if (argc == 4 && strcmp(argv[1], "serve") == 0) {
    run_serve((unsigned short)number(argv[2], 65535), number(argv[3], 3600));
  } else {
    fprintf(stderr, "usage: load udp PAIRS PORT TUPLES FIRST COUNT | connect PAIRS PORT MILLISECONDS WIDTH | serve PORT SECONDS\n");
    return 64;
  }
  return 0;
}
