// What the stream harness and session.py share.
#ifndef BNNEDGE_JOB_H
#define BNNEDGE_JOB_H

#include <cstddef>
#include <cstdint>
#include <string>

namespace {

// Known to session.py in this order (`Status`).
enum Status : int32_t {
    RUNNING,
    FINISHED,
    VALID_DROPPED,
    DATA_CHANGED,
    LAST_CHANGED,
    STUCK,
    EXTRA_BEAT,
    DESIGN_FAILED,
};

// What follows is mirrored field by field by session.py, which compares it with `stream_layout`.

// Chances in units of 2^-32.
struct Hold {
    uint32_t begin;     // that a pause begins in a cycle,
    uint32_t continue_; // and that one goes on for another cycle
};

// What passes on a stream at either end: beats to send, or room for those to receive.
struct Beats {
    uint8_t* data;
    uint8_t* last;    // of an output
    int64_t* cycles;  // of each handshake
    int64_t count;
    int64_t done;
    int32_t valid, ready;  // last seen
};

struct Job {
    Beats* inputs;
    Beats* outputs;
    int64_t watchdog_cycles;
    Hold hold_in, hold_out, hold_inner;
    double enough;  // share of the cycles from which on a stream between kernels is left alone
    int64_t image_beats;      // paced input: an image has so many beats,
    int64_t interval_cycles;  // and begins at least so many cycles after the one before; 0: unpaced
    int64_t more;  // outputs take beats beyond those expected, and one is a fault
    int64_t streams;
    int64_t fifos;
    const int32_t* fifo_in;   // streams
    const int32_t* fifo_out;
    const uint8_t* rigid;  // of every stream: it is never held up
    int64_t cycle;
    int64_t idle_cycles;
    int64_t culprit;  // the output that broke the protocol
    uint8_t* valid;  // last seen, and totals: of every stream
    uint8_t* ready;
    int64_t* transfers;
    int64_t* stalled;
    int64_t* starved;
    int64_t* high_water;  // of every FIFO
};

const std::string& layout() {
    using bnnedge::layout_text;
#define FIELD(type, field) {#field, offsetof(type, field), sizeof(type::field)}
    static const std::string text =
        layout_text("Hold", sizeof(Hold), {FIELD(Hold, begin), FIELD(Hold, continue_)})
        + layout_text("Beats", sizeof(Beats),
                      {FIELD(Beats, data), FIELD(Beats, last), FIELD(Beats, cycles),
                       FIELD(Beats, count), FIELD(Beats, done), FIELD(Beats, valid),
                       FIELD(Beats, ready)})
        + layout_text("Job", sizeof(Job),
                      {FIELD(Job, inputs), FIELD(Job, outputs), FIELD(Job, watchdog_cycles),
                       FIELD(Job, hold_in), FIELD(Job, hold_out), FIELD(Job, hold_inner),
                       FIELD(Job, enough), FIELD(Job, image_beats), FIELD(Job, interval_cycles),
                       FIELD(Job, more), FIELD(Job, streams), FIELD(Job, fifos),
                       FIELD(Job, fifo_in), FIELD(Job, fifo_out), FIELD(Job, rigid),
                       FIELD(Job, cycle), FIELD(Job, idle_cycles), FIELD(Job, culprit),
                       FIELD(Job, valid), FIELD(Job, ready), FIELD(Job, transfers), FIELD(Job, stalled),
                       FIELD(Job, starved), FIELD(Job, high_water)});
    return text;
}

}  // namespace

#endif
