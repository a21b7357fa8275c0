/* See sim_disk.h. Nothing is kept twice: a pending change knows what it changed, and a crash takes
 * back, newest first, those that are lost. A sync only forgets that changes were pending. */
#include "tests/simulate/sim_disk.h"

#include <errno.h>
#include <string.h>

#include "tests/simulate/sim.h"

enum {
    NAME_INLINE = 64,
    FIRST_BUCKETS = 4096,
    SECTOR = 512,
    PAGE = 4096,
    ENTRY_OCTETS = 256 /* of the disk, for each entry */
};

/* A name in a directory. With no inode it only remembers a removal that is pending. */
struct dentry {
    struct dentry *next;           /* of its bucket */
    struct dentry *after, *before; /* of its directory, if there is an inode */
    struct inode *dir, *inode;
    struct pending last;
    uint32_t hash;
    bool tainted; /* a sync of its last change failed before one went well */
    char *name;   /* inline_name, or its own memory */
    char inline_name[NAME_INLINE];
};

/* One directory's part of a change. */
struct half {
    struct change *change;
    struct half *next, *previous; /* of its directory */
    struct dentry *entry;
    struct inode *was, *is;
    struct pending entry_before;
};

struct change {
    uint64_t number; /* 0: not pending */
    struct change *older, *newer;
    struct inode *inode; /* that was made, moved or removed */
    struct pending inode_before;
    struct half half[2];
    unsigned halves;
    bool rmdir;    /* all in the directory was removed before */
    bool settling; /* being made durable */
    bool kept;     /* by the crash */
    bool tainted;  /* a sync of it failed */
};

/* The durable content of a page that was written over. */
struct kept_page {
    uint32_t page;
    bool dropped; /* a sync of the new content failed, and nothing was written there since */
    char *octets;
};

static bool is_pending(struct pending p)
{
    return p.change != NULL && p.change->number == p.number;
}

static struct pending pending_of(struct change *c)
{
    return (struct pending){c, c->number};
}

/* Inodes. */

static int64_t wall(const struct disk *d)
{
    return sim.now_us + d->skew_us;
}

static struct inode *new_inode(struct disk *d, enum inode_kind kind, uint32_t mode, uint32_t uid)
{
    struct inode *i = sim_zeroed(sizeof(*i));

    i->number = ++d->inodes;
    i->kind = kind;
    i->mode = i->synced_mode = mode;
    i->uid = uid;
    i->changed_us = wall(d);
    i->seal_synced = true;
    return i;
}

static void leave_dirty(struct disk *d, struct inode *i)
{
    if (i->dirty == 0)
        return;
    struct inode *last = d->dirty[--d->dirties];
    d->dirty[i->dirty - 1] = last;
    last->dirty = i->dirty;
    i->dirty = 0;
}

void disk_hold(struct inode *i)
{
    i->refs++;
}

/* Forgets what was kept, but for pages whose new content was dropped. */
static void forget_kept(struct inode *i, bool dropped_too)
{
    uint32_t left = 0;

    for (uint32_t k = 0; k < i->keeps; k++) {
        if (i->kept[k].dropped && !dropped_too)
            i->kept[left++] = i->kept[k];
        else
            sim_free(i->kept[k].octets);
    }
    i->keeps = left;
}

void disk_release(struct disk *d, struct inode *i)
{
    if (i == NULL || --i->refs > 0)
        return;
    leave_dirty(d, i);
    d->used -= i->size;
    forget_kept(i, true);
    sim_free(i->kept);
    sim_free(i->data);
    sim_free(i);
}

/* All but its mode. */
static bool content_durable(const struct inode *i)
{
    return i->dirty == 0 || (i->synced == i->size && i->keeps == 0 && !i->resized &&
                             (i->seal_synced || i->seal_size == 0));
}

static void make_dirty(struct disk *d, struct inode *i)
{
    i->tag = 0;
    i->changed_us = wall(d);
    d->version++;
    if (i->dirty != 0)
        return;
    if (d->dirties == d->dirty_cap) {
        d->dirty_cap = d->dirty_cap ? d->dirty_cap * 2 : 256;
        d->dirty = sim_grow(d->dirty, d->dirty_cap * sizeof(struct inode *));
    }
    d->dirty[d->dirties++] = i;
    i->dirty = d->dirties;
}

/* Names. */

static uint32_t hash_of(const struct inode *dir, const char *name)
{
    uint64_t h = dir->number, word;
    size_t n = strlen(name);

    for (; n > 0; name += sizeof(word), n -= sizeof(word)) {
        word = 0;
        if (n < sizeof(word)) {
            memcpy(&word, name, n);
            n = sizeof(word);
        } else {
            memcpy(&word, name, sizeof(word));
        }
        h = (h ^ word) * 0x9E3779B97F4A7C15U;
        h ^= h >> 32;
    }
    return (uint32_t)h;
}

static struct dentry *find_entry(const struct disk *d, const struct inode *dir, const char *name)
{
    uint32_t h = hash_of(dir, name);

    for (struct dentry *e = d->bucket[h & (d->buckets - 1)]; e != NULL; e = e->next)
        if (e->hash == h && e->dir == dir && strcmp(e->name, name) == 0)
            return e;
    return NULL;
}

static void grow_buckets(struct disk *d)
{
    uint32_t more = d->buckets * 2;
    struct dentry **bucket = sim_zeroed(more * sizeof(struct dentry *));

    for (uint32_t b = 0; b < d->buckets; b++)
        for (struct dentry *e = d->bucket[b], *next; e != NULL; e = next) {
            next = e->next;
            e->next = bucket[e->hash & (more - 1)];
            bucket[e->hash & (more - 1)] = e;
        }
    sim_free(d->bucket);
    d->bucket = bucket;
    d->buckets = more;
}

static struct dentry *make_entry(struct disk *d, struct inode *dir, const char *name)
{
    struct dentry *e = find_entry(d, dir, name);
    size_t n = strlen(name) + 1;

    if (e != NULL)
        return e;
    if (d->dentries >= d->buckets)
        grow_buckets(d);
    e = d->spare_dentries;
    if (e != NULL)
        d->spare_dentries = e->next;
    else
        e = sim_alloc(sizeof(*e));
    *e = (struct dentry){.dir = dir, .hash = hash_of(dir, name)};
    e->name = n <= NAME_INLINE ? e->inline_name : sim_alloc(n);
    memcpy(e->name, name, n);
    e->next = d->bucket[e->hash & (d->buckets - 1)];
    d->bucket[e->hash & (d->buckets - 1)] = e;
    d->dentries++;
    disk_hold(dir);
    return e;
}

/* A name that nothing has and nothing pending touched. */
static void drop_entry(struct disk *d, struct dentry *e)
{
    struct dentry **at = &d->bucket[e->hash & (d->buckets - 1)];

    if (e->inode != NULL || is_pending(e->last))
        return;
    while (*at != e)
        at = &(*at)->next;
    *at = e->next;
    d->dentries--;
    if (e->name != e->inline_name)
        sim_free(e->name);
    struct inode *dir = e->dir;
    e->next = d->spare_dentries;
    d->spare_dentries = e;
    disk_release(d, dir);
}

static void enlist(struct dentry *e)
{
    struct inode *dir = e->dir;

    e->after = NULL;
    e->before = dir->last_entry;
    if (e->before != NULL)
        e->before->after = e;
    else
        dir->first_entry = e;
    dir->last_entry = e;
    dir->entries++;
}

static void delist(struct dentry *e)
{
    struct inode *dir = e->dir;

    if (e->before != NULL)
        e->before->after = e->after;
    else
        dir->first_entry = e->after;
    if (e->after != NULL)
        e->after->before = e->before;
    else
        dir->last_entry = e->before;
    dir->entries--;
}

static void name_inode(struct inode *i, struct inode *parent, const char *name)
{
    size_t n = strlen(name);

    i->parent = parent;
    if (n >= sizeof(i->name))
        n = sizeof(i->name) - 1;
    memcpy(i->name, name, n);
    i->name[n] = '\0';
}

/* The one place where what a name leads to changes. */
static void set_entry(struct disk *d, struct dentry *e, struct inode *i)
{
    struct inode *was = e->inode;

    if (was == i)
        return;
    if (was != NULL) {
        was->links--;
        d->used -= ENTRY_OCTETS;
        delist(e);
        if (was->parent == e->dir && strcmp(was->name, e->name) == 0)
            was->parent = NULL;
    }
    e->inode = i;
    if (i != NULL) {
        i->links++;
        disk_hold(i);
        d->used += ENTRY_OCTETS;
        enlist(e);
        name_inode(i, e->dir, e->name);
    }
    disk_release(d, was);
}

/* Pending changes. */

static struct change *new_change(struct disk *d, struct inode *i)
{
    struct change *c = d->spare_changes;

    if (c != NULL)
        d->spare_changes = c->newer;
    else
        c = sim_alloc(sizeof(*c));
    *c = (struct change){.number = ++d->changes, .older = d->newest, .inode = i};
    if (d->newest != NULL)
        d->newest->newer = c;
    else
        d->oldest = c;
    d->newest = c;
    disk_hold(i);
    d->version++;
    c->inode_before = i->last;
    i->last = pending_of(c);
    return c;
}

static void add_half(struct disk *d, struct change *c, struct dentry *e, struct inode *is)
{
    struct half *h = &c->half[c->halves++];
    struct inode *dir = e->dir;

    *h = (struct half){.change = c,
                       .previous = dir->last_half,
                       .entry = e,
                       .was = e->inode,
                       .is = is,
                       .entry_before = e->last};
    if (h->previous != NULL)
        h->previous->next = h;
    else
        dir->first_half = h;
    dir->last_half = h;
    e->last = pending_of(c);
    e->tainted = false;
    if (h->was != NULL)
        disk_hold(h->was);
    if (h->is != NULL)
        disk_hold(h->is);
    set_entry(d, e, is);
    dir->changed_us = wall(d);
}

static void unlink_half(struct half *h)
{
    struct inode *dir = h->entry->dir;

    if (h->previous != NULL)
        h->previous->next = h->next;
    else
        dir->first_half = h->next;
    if (h->next != NULL)
        h->next->previous = h->previous;
    else
        dir->last_half = h->previous;
}

/* It is not pending any more. */
static void forget_change(struct disk *d, struct change *c)
{
    if (c->older != NULL)
        c->older->newer = c->newer;
    else
        d->oldest = c->newer;
    if (c->newer != NULL)
        c->newer->older = c->older;
    else
        d->newest = c->older;
    c->number = 0;
    d->version++;
    for (unsigned i = 0; i < c->halves; i++)
        unlink_half(&c->half[i]);
    for (unsigned i = 0; i < c->halves; i++) {
        struct half *h = &c->half[i];
        if (c->tainted && h->entry->last.change == c)
            h->entry->tainted = true;
        drop_entry(d, h->entry);
        disk_release(d, h->was);
        disk_release(d, h->is);
    }
    disk_release(d, c->inode);
    c->newer = d->spare_changes;
    d->spare_changes = c;
}

/* Makes a change durable, and what it rests on before it. */
static void settle(struct disk *d, struct change *c)
{
    if (c->settling)
        return;
    c->settling = true;
    if (is_pending(c->inode_before))
        settle(d, c->inode_before.change);
    for (unsigned i = 0; i < c->halves; i++) {
        const struct half *h = &c->half[i];
        if (is_pending(h->entry_before))
            settle(d, h->entry_before.change);
        if (h->is != NULL && is_pending(h->entry->dir->made))
            settle(d, h->entry->dir->made.change);
    }
    while (c->rmdir && c->inode->first_half != NULL)
        settle(d, c->inode->first_half->change);
    forget_change(d, c);
}

/* Operations. */

void disk_open(struct disk *d, enum disk_mode mode)
{
    *d = (struct disk){.mode = mode, .limit = UINT64_MAX, .buckets = FIRST_BUCKETS};
    d->bucket = sim_zeroed(d->buckets * sizeof(struct dentry *));
    d->root = new_inode(d, INODE_DIR, 0755, 0);
    disk_hold(d->root);
    d->root->links = 1;
}

struct inode *disk_find(const struct disk *d, const struct inode *dir, const char *name)
{
    const struct dentry *e = find_entry(d, dir, name);

    return e == NULL ? NULL : e->inode;
}

/* May something be put under that name? */
static int may_add(const struct disk *d, const struct inode *dir, const char *name)
{
    if (d->read_only)
        return -EROFS;
    if (dir->kind != INODE_DIR)
        return -ENOTDIR;
    if (dir->links == 0)
        return -ENOENT;
    if (strlen(name) > DISK_NAME_MAX)
        return -ENAMETOOLONG;
    return d->used + ENTRY_OCTETS > d->limit ? -ENOSPC : 0;
}

int disk_make(struct disk *d, struct inode *dir, const char *name, enum inode_kind kind,
              uint32_t mode, uint32_t uid, struct inode **out)
{
    int error = may_add(d, dir, name);

    if (error == 0 && disk_find(d, dir, name) != NULL)
        error = -EEXIST;
    if (error < 0)
        return error;
    struct inode *i = new_inode(d, kind, mode, uid);
    struct change *c = new_change(d, i);
    if (kind == INODE_DIR)
        i->made = pending_of(c);
    add_half(d, c, make_entry(d, dir, name), i);
    *out = i;
    return 0;
}

int disk_link(struct disk *d, struct inode *i, struct inode *dir, const char *name)
{
    int error = i->kind == INODE_DIR ? -EPERM : may_add(d, dir, name);

    if (error == 0 && disk_find(d, dir, name) != NULL)
        error = -EEXIST;
    if (error < 0)
        return error;
    add_half(d, new_change(d, i), make_entry(d, dir, name), i);
    return 0;
}

int disk_remove(struct disk *d, struct inode *dir, const char *name, bool directory)
{
    struct dentry *e = find_entry(d, dir, name);

    if (e == NULL || e->inode == NULL)
        return -ENOENT;
    if (d->read_only)
        return -EROFS;
    if (directory != (e->inode->kind == INODE_DIR))
        return directory ? -ENOTDIR : -EISDIR;
    if (e->inode->entries > 0)
        return -ENOTEMPTY;
    struct change *c = new_change(d, e->inode);
    c->rmdir = directory;
    add_half(d, c, e, NULL);
    return 0;
}

int disk_move(struct disk *d, struct inode *from, const char *name, struct inode *to,
              const char *new_name, bool replace)
{
    struct dentry *source = find_entry(d, from, name);
    int error = may_add(d, to, new_name);

    if (source == NULL || source->inode == NULL)
        return -ENOENT;
    if (error < 0)
        return error;
    struct inode *i = source->inode, *there = disk_find(d, to, new_name);
    if (there != NULL && !replace)
        return -EEXIST;
    if (there == i)
        return 0;
    if (there != NULL && there->kind == INODE_DIR && there->entries > 0)
        return -ENOTEMPTY;
    struct change *c = new_change(d, i);
    disk_hold(i); /* for the moment in which it has no name */
    add_half(d, c, source, NULL);
    add_half(d, c, make_entry(d, to, new_name), i);
    i->synced_mode = i->mode; /* changes to one file keep their order */
    i->changed_us = wall(d);
    disk_release(d, i);
    return 0;
}

int64_t disk_read(const struct inode *i, uint64_t at, void *to, size_t n)
{
    if (at >= i->size)
        return 0;
    if (n > i->size - at)
        n = i->size - (size_t)at;
    memcpy(to, i->data + at, n);
    return (int64_t)n;
}

static struct kept_page *find_kept(const struct inode *i, uint32_t page)
{
    for (uint32_t k = 0; k < i->keeps; k++)
        if (i->kept[k].page == page)
            return &i->kept[k];
    return NULL;
}

static uint32_t octets_of_page(const struct inode *i, uint32_t page)
{
    uint32_t rest = i->synced - page * PAGE;

    return rest < PAGE ? rest : PAGE;
}

/* Before durable octets are written over or cut off. */
static void keep_page(struct inode *i, uint32_t page)
{
    struct kept_page *kept = find_kept(i, page);

    if (kept != NULL) {
        kept->dropped = false; /* all of it is to be written again */
        return;
    }
    if (i->keeps == i->kept_cap) {
        i->kept_cap = i->kept_cap ? i->kept_cap * 2 : 4;
        i->kept = sim_grow(i->kept, i->kept_cap * sizeof(*i->kept));
    }
    uint32_t n = octets_of_page(i, page);
    kept = &i->kept[i->keeps++];
    *kept = (struct kept_page){.page = page, .octets = sim_alloc(n)};
    memcpy(kept->octets, i->data + (size_t)page * PAGE, n);
}

static void keep_range(struct inode *i, uint64_t from, uint64_t to)
{
    if (to > i->synced)
        to = i->synced;
    for (uint64_t page = from / PAGE; page * PAGE < to; page++)
        keep_page(i, (uint32_t)page);
}

/* All of the durable content; sim_free. */
static char *durable_content(const struct inode *i)
{
    char *copy = sim_alloc(i->synced + 1);
    uint32_t there = i->size < i->synced ? i->size : i->synced; /* of the rest all is kept */

    memcpy(copy, i->data, there);
    for (uint32_t k = 0; k < i->keeps; k++)
        memcpy(copy + (size_t)i->kept[k].page * PAGE, i->kept[k].octets,
               octets_of_page(i, i->kept[k].page));
    return copy;
}

static void reserve(struct inode *i, size_t size)
{
    size_t cap = i->cap ? i->cap : 1024;

    if (size <= i->cap)
        return;
    while (cap < size)
        cap *= 2;
    i->data = sim_grow(i->data, cap);
    i->cap = (uint32_t)cap;
}

int64_t disk_write(struct disk *d, struct inode *i, uint64_t at, const void *octets, size_t n)
{
    uint64_t end = at + n;
    uint64_t more = end > i->size ? end - i->size : 0;

    if (d->read_only)
        return -EROFS;
    if (end > UINT32_MAX / 2)
        return -EFBIG;
    if (d->used + more > d->limit) {
        uint64_t room = d->limit > d->used ? d->limit - d->used : 0;
        if (room == 0 || n <= more - room)
            return -ENOSPC;
        n -= (size_t)(more - room); /* as much as there is room for */
        end = at + n;
        more = end > i->size ? end - i->size : 0;
    }
    keep_range(i, at, end);
    reserve(i, (size_t)end);
    if (at > i->size)
        memset(i->data + i->size, 0, (size_t)at - i->size);
    memcpy(i->data + at, octets, n);
    if (end > i->size) {
        i->size = (uint32_t)end;
        i->resized = true;
    }
    d->used += more;
    make_dirty(d, i);
    return (int64_t)n;
}

int disk_cut(struct disk *d, struct inode *i, uint64_t size)
{
    if (d->read_only)
        return -EROFS;
    if (size == i->size)
        return 0;
    keep_range(i, size, i->synced);
    i->resized = true;
    reserve(i, (size_t)size);
    if (size > i->size)
        memset(i->data + i->size, 0, (size_t)size - i->size);
    d->used += size - i->size;
    i->size = (uint32_t)size;
    make_dirty(d, i);
    return 0;
}

int disk_set_seal(struct disk *d, struct inode *i, const void *value, size_t n)
{
    if (d->read_only)
        return -EROFS;
    if (d->sealless)
        return -ENOTSUP;
    if (n > sizeof(i->seal))
        return -ENOSPC;
    memcpy(i->seal, value, n);
    i->seal_size = (uint32_t)n;
    i->seal_synced = false;
    uint64_t tag = i->tag;
    make_dirty(d, i);
    i->tag = tag;
    return 0;
}

int disk_set_mode(struct disk *d, struct inode *i, uint32_t mode)
{
    if (d->read_only)
        return -EROFS;
    i->mode = mode;
    uint64_t tag = i->tag;
    if (i->kind == INODE_FILE)
        make_dirty(d, i);
    i->tag = tag;
    return 0;
}

/* Syncs. */

void disk_sync_file(struct disk *d, struct inode *i)
{
    if (i->poisoned)
        return;
    i->synced_mode = i->mode;
    forget_kept(i, false);
    if (i->keeps == 0)
        leave_dirty(d, i);
    i->synced = i->size;
    i->resized = false;
    i->seal_synced = true;
}

void disk_sync_directory(struct disk *d, struct inode *dir)
{
    while (dir->first_half != NULL)
        settle(d, dir->first_half->change);
}

void disk_sync_all(struct disk *d)
{
    while (d->oldest != NULL)
        settle(d, d->oldest);
    for (uint32_t i = d->dirties; i > 0; i--)
        disk_sync_file(d, d->dirty[i - 1]);
}

void disk_settle_since(struct disk *d, uint64_t since)
{
    while (d->newest != NULL && d->newest->number > since)
        settle(d, d->newest);
}

void disk_sync_failed(struct disk *d, struct inode *i)
{
    i->errors++;
    d->errors++;
    /* Of a file whose size stays, each page can be written again and synced. */
    i->poisoned = i->poisoned || (!content_durable(i) && (i->resized || i->keeps == 0));
    for (uint32_t k = 0; k < i->keeps; k++)
        i->kept[k].dropped = true;
    for (struct half *h = i->first_half; h != NULL; h = h->next)
        h->change->tainted = true;
}

/* The crash. */

static bool rests_on_kept(const struct change *c)
{
    if (is_pending(c->inode_before) && !c->inode_before.change->kept)
        return false;
    for (unsigned i = 0; i < c->halves; i++) {
        const struct half *h = &c->half[i];
        struct pending made = h->entry->dir->made;
        if (is_pending(h->entry_before) && !h->entry_before.change->kept)
            return false;
        if (h->is != NULL && is_pending(made) && !made.change->kept)
            return false;
    }
    for (const struct half *h = c->rmdir ? c->inode->first_half : NULL; h != NULL; h = h->next)
        if (!h->change->kept)
            return false;
    return true;
}

static bool order_kept(const struct disk *d, const struct change *c)
{
    for (unsigned i = 0; i < c->halves; i++)
        if (c->half[i].entry->dir->broken == d->crashes)
            return false;
    return true;
}

/* `most`: so many in 16 are kept, as far as the mode lets them. */
static void choose_changes(struct disk *d, uint32_t most)
{
    uint64_t pending = 0;

    for (struct change *c = d->oldest; c != NULL; c = c->newer)
        pending++;
    uint64_t until = pending == 0 ? 0 : sim_random() % (pending + 1);
    for (struct change *c = d->oldest; c != NULL; c = c->newer) {
        if (d->mode == DISK_JOURNAL) {
            c->kept = until > 0;
            until -= until > 0;
            continue;
        }
        c->kept = rests_on_kept(c) && sim_below(16) < most;
        if (d->mode != DISK_ORDERED)
            continue;
        c->kept = c->kept && order_kept(d, c);
        for (unsigned i = 0; i < c->halves && !c->kept; i++)
            c->half[i].entry->dir->broken = d->crashes;
    }
}

static void undo(struct disk *d, struct change *c)
{
    for (unsigned i = c->halves; i > 0; i--)
        set_entry(d, c->half[i - 1].entry, c->half[i - 1].was);
}

/* What the sectors of the file hold that were not synced: the new octets, the old, or zeros. */
static void mix_sectors(struct inode *i, const char *old, uint32_t old_size)
{
    for (uint32_t at = 0; at < i->size; at += SECTOR) {
        uint32_t n = i->size - at < SECTOR ? i->size - at : SECTOR;
        uint32_t had = at < old_size ? old_size - at : 0;
        if (had > n)
            had = n;
        if (had == n && memcmp(i->data + at, old + at, n) == 0)
            continue;
        if (sim_one_in(2))
            continue;
        memset(i->data + at, 0, n);
        memcpy(i->data + at, old + at, had);
    }
}

static void crash_file(struct disk *d, struct inode *i)
{
    uint32_t old_size = i->synced, size = i->size;
    char *old = durable_content(i);
    uint32_t how = sim_below(5);

    d->used -= i->size;
    if (size <= old_size && how > 1)
        how = 4; /* there is no new part */
    switch (how) {
    case 0: /* nothing of it reached the disk */
        reserve(i, old_size);
        memcpy(i->data, old, old_size);
        i->size = old_size;
        break;
    case 1: /* all of it */
        break;
    case 2: /* a part: cut off */
        i->size = old_size + sim_below(size - old_size);
        break;
    case 3: /* the size, but no octets */
        memset(i->data + old_size, 0, size - old_size);
        break;
    default:
        mix_sectors(i, old, old_size);
        break;
    }
    d->used += i->size;
    if (!i->seal_synced && sim_one_in(2))
        i->seal_size = 0;
    if (sim_one_in(2))
        i->mode = i->synced_mode;
    i->synced_mode = i->mode;
    sim_free(old);
    i->tag = 0;
}

static void crash_files(struct disk *d)
{
    while (d->dirties > 0) {
        struct inode *i = d->dirty[d->dirties - 1];
        crash_file(d, i);
        i->poisoned = false;
        forget_kept(i, true);
        disk_sync_file(d, i);
    }
}

void disk_crash(struct disk *d)
{
    static const uint32_t kept[] = {0, 4, 8, 12, 15, 16};

    d->crashes++;
    d->version++;
    choose_changes(d, kept[sim_below(sizeof(kept) / sizeof(kept[0]))]);
    for (struct change *c = d->newest; c != NULL; c = c->older)
        if (!c->kept)
            undo(d, c);
    while (d->oldest != NULL)
        forget_change(d, d->oldest);
    crash_files(d);
    d->read_only = false;
}

/* Looking. */

void disk_each(struct inode *dir, void (*each)(void *arg, const char *name, struct inode *i),
               void *arg)
{
    for (struct dentry *e = dir->first_entry, *next; e != NULL; e = next) {
        next = e->after;
        each(arg, e->name, e->inode);
    }
}

char *disk_names(const struct inode *dir, size_t *octets)
{
    size_t n = 0, at = 0;

    for (const struct dentry *e = dir->first_entry; e != NULL; e = e->after)
        n += strlen(e->name) + 1;
    char *names = sim_alloc(n + 1);
    for (const struct dentry *e = dir->first_entry; e != NULL; e = e->after) {
        size_t length = strlen(e->name) + 1;
        memcpy(names + at, e->name, length);
        at += length;
    }
    *octets = n;
    return names;
}

bool disk_entry_durable(const struct disk *d, const struct inode *dir, const char *name,
                        bool proven)
{
    const struct dentry *e = find_entry(d, dir, name);

    return e != NULL && e->inode != NULL && !is_pending(e->last) && !(proven && e->tainted);
}

bool disk_file_durable(const struct inode *i)
{
    return content_durable(i) && !i->poisoned;
}

bool disk_range_durable(const struct inode *i, uint64_t at, uint64_t n)
{
    if (i->poisoned || at > i->synced || n > i->synced - at)
        return false;
    for (uint32_t k = 0; k < i->keeps; k++) {
        uint64_t from = (uint64_t)i->kept[k].page * PAGE;
        if (from < at + n && at < from + PAGE)
            return false;
    }
    return true;
}
