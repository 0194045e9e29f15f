// The processor's side of `bnnedge_axi`: an AXI4-Lite master for its registers, and an AXI DMA in
// direct register mode (AMD PG021, without scatter/gather) between its streams and a memory.
// One clock, driven here. BNNEDGE_IN_BITS and BNNEDGE_OUT_BITS are the widths of the streams.
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>

#include "Vmodel.h"

using bnnedge::Random;

namespace {

constexpr int RESET_CLOCKS = 16;      // aresetn's, and a DMA's own
constexpr int REGISTER_CLOCKS = 8;    // an access to a register of the DMA
constexpr int ANSWER_CLOCKS = 1000;   // without an answer to an access
constexpr uint32_t IN_BYTES = BNNEDGE_IN_BITS / 8, OUT_BYTES = BNNEDGE_OUT_BITS / 8;

// Offsets from 0x00 for MM2S, from 0x30 for S2MM.
enum : uint32_t { CONTROL = 0x00, STATUS = 0x04 };
enum : uint32_t { ADDRESS = 0x18, ADDRESS_MSB = 0x1C, LENGTH = 0x28 };
// Bits of CONTROL, and of STATUS.
enum : uint32_t { RUN = 1, ALWAYS = 2, RESET = 4, ENABLES = 0xFFFF7000, THRESHOLD_ONE = 0x10000 };
enum : uint32_t { HALTED = 1, IDLE = 2, INTERNAL = 0x10, DECODE = 0x40 };
enum : uint32_t { DONE = 0x1000, FAULT = 0x4000, IRQS = 0x7000 };

struct Channel {
    uint32_t control = ALWAYS | THRESHOLD_ONE, status = HALTED, length = 0;
    uint64_t address = 0, moved = 0;
    bool active = false;
    uint32_t burst = 0;    // beats since the last pause
    uint32_t pause = 0;    // clocks until the next burst
    void finish(uint32_t flags) {
        active = false;
        status |= flags;
        if (flags & FAULT) control &= ~RUN;
        if (!(control & RUN)) status = (status & ~IDLE) | HALTED;
    }
};

// Mirrored by axi.py, which compares it with `axi_layout`.
struct Setup {
    uint64_t memory_base, memory_bytes;
    uint64_t seed;
    uint32_t stall;          // of every beat and handshake, in units of 2^-32
    uint32_t burst_beats;    // memory moves so many beats in a row,
    uint32_t pause_clocks;   // then pauses so long
    uint64_t send_limit;     // beats after which MM2S stops for good, as a stuck memory would
    uint64_t receive_limit;  // the same for S2MM
    uint32_t lost_bytes;     // at the end of every MM2S transfer: TLAST comes so much earlier
};

struct Hardware {
    Setup setup;
    Random random;
    VerilatedContext context;
    std::unique_ptr<Vmodel> model;
    std::unique_ptr<uint8_t, decltype(&std::free)> memory;
    Channel send, receive;
    uint64_t clocks = 0, sent_beats = 0, received_beats = 0;
    int dma_reset = 0;
    uint32_t beat_bytes = 0;  // of the beat on s_axis
    bool device_reset = false;
    bool waiting = false;     // a beat on m_axis, and what it was
    uint8_t waiting_data[sizeof(Vmodel::m_axis_tdata)];
    bool waiting_last = false;

    explicit Hardware(const Setup& s)
        : setup{s},
          random{s.seed},
          memory{static_cast<uint8_t*>(std::calloc(s.memory_bytes, 1)), &std::free} {}

    bool inside(uint64_t address, uint64_t size) const {
        return address >= setup.memory_base && size <= setup.memory_bytes &&
               address - setup.memory_base <= setup.memory_bytes - size;
    }

    // Whether memory is ready to move a beat of a channel.
    bool memory_ready(Channel& channel, uint64_t beats, uint64_t limit) {
        if (beats >= limit) return false;
        if (channel.pause) {
            --channel.pause;
            return false;
        }
        return !random.below(setup.stall);
    }

    void moved_beat(Channel& channel) {
        if (++channel.burst == setup.burst_beats) {
            channel.burst = 0;
            channel.pause = setup.pause_clocks;
        }
    }

    void clock() {
        model->aclk = 0;
        model->eval();
        const bool taken = model->s_axis_tvalid && model->s_axis_tready;
        const bool offered = model->m_axis_tvalid, given = offered && model->m_axis_tready;
        check_stable(offered, given);
        if (given) take_result();
        model->aclk = 1;
        model->eval();
        context.timeInc(1);
        ++clocks;
        if (taken) {
            ++sent_beats;
            send.moved += beat_bytes;
            moved_beat(send);
            model->s_axis_tvalid = 0;
            if (model->s_axis_tlast) send.finish(IDLE | DONE);
        }
        if (dma_reset && --dma_reset == 0) send = receive = Channel{};
        const bool free = send.active && !model->s_axis_tvalid;
        if (free && memory_ready(send, sent_beats, setup.send_limit)) offer_beat();
        model->m_axis_tready =
            receive.active && memory_ready(receive, received_beats, setup.receive_limit);
    }

    void offer_beat() {
        const uint64_t left = send.length - send.moved;
        beat_bytes = left < IN_BYTES ? static_cast<uint32_t>(left) : IN_BYTES;
        const uint8_t* bytes = memory.get() + (send.address - setup.memory_base) + send.moved;
        std::memset(&model->s_axis_tdata, 0, sizeof model->s_axis_tdata);
        std::memcpy(&model->s_axis_tdata, bytes, beat_bytes);
        uint8_t keep[sizeof model->s_axis_tkeep] = {};
        for (uint32_t i = 0; i < beat_bytes; ++i) keep[i / 8] |= static_cast<uint8_t>(1u << i % 8);
        std::memcpy(&model->s_axis_tkeep, keep, sizeof keep);
        model->s_axis_tvalid = 1;
        model->s_axis_tlast = left <= IN_BYTES;
    }

    void take_result() {
        ++received_beats;
        moved_beat(receive);
        uint8_t* bytes = memory.get() + (receive.address - setup.memory_base) + receive.moved;
        const uint64_t room = receive.length - receive.moved;
        const bool last = model->m_axis_tlast;
        std::memcpy(bytes, &model->m_axis_tdata, room < OUT_BYTES ? room : OUT_BYTES);
        receive.moved += room < OUT_BYTES ? room : OUT_BYTES;
        // A packet that is longer than the buffer.
        if (room < OUT_BYTES || (room == OUT_BYTES && !last)) receive.finish(INTERNAL | FAULT);
        else if (last) receive.finish(IDLE | DONE);
    }

    void check_stable(bool offered, bool given) {
        const bool last = model->m_axis_tlast;
        if (waiting && !device_reset &&
            (!offered || last != waiting_last ||
             std::memcmp(waiting_data, &model->m_axis_tdata, sizeof waiting_data) != 0))
            vl_fatal("axi.cpp", 0, "", "m_axis changed a beat that was not yet taken");
        waiting = offered && !given;
        waiting_last = last;
        std::memcpy(waiting_data, &model->m_axis_tdata, sizeof waiting_data);
    }

    void fall_silent() {
        send = receive = Channel{};
        dma_reset = 0;
        model->s_axi_awvalid = model->s_axi_wvalid = model->s_axi_bready = 0;
        model->s_axi_arvalid = model->s_axi_rready = 0;
        model->s_axis_tvalid = model->m_axis_tready = 0;
    }

    // aresetn, of the DMA too, which falls silent a clock later.
    void reset(uint64_t reset_clocks) {
        device_reset = true;
        model->aresetn = 0;
        for (uint64_t i = 0; i < reset_clocks && !context.gotFinish(); ++i) {
            clock();
            if (i == 0) fall_silent();
            if (i > 0) check_quiet();
        }
        model->aresetn = 1;
        device_reset = false;
    }

    void check_quiet() {
        const bool registers = model->s_axi_awready || model->s_axi_wready ||
                               model->s_axi_bvalid || model->s_axi_arready || model->s_axi_rvalid;
        if (registers) vl_fatal("axi.cpp", 0, "", "an access is taken or answered in reset");
        if (model->m_axis_tvalid) vl_fatal("axi.cpp", 0, "", "m_axis is valid in reset");
    }

    void start(Channel& channel, uint32_t length) {
        if (channel.status & HALTED || channel.active) return;
        channel.length = length;
        channel.moved = 0;
        channel.status &= ~IDLE;
        if (!length) return;
        if (!inside(channel.address, length)) return channel.finish(DECODE | FAULT);
        channel.active = true;
    }

    uint32_t dma_read(uint32_t offset) {
        for (int i = 0; i < REGISTER_CLOCKS; ++i) clock();
        const Channel& channel = offset < 0x30 ? send : receive;
        switch (offset % 0x30) {
            case CONTROL: return channel.control | (dma_reset ? RESET : 0);
            case STATUS: return channel.status;
            case ADDRESS: return static_cast<uint32_t>(channel.address);
            case ADDRESS_MSB: return static_cast<uint32_t>(channel.address >> 32);
            // S2MM's tells how much has come, once its transfer is over.
            case LENGTH:
                return offset < 0x30 || channel.active ? channel.length
                                                       : static_cast<uint32_t>(channel.moved);
            default: return 0;
        }
    }

    void dma_write(uint32_t offset, uint32_t value) {
        for (int i = 0; i < REGISTER_CLOCKS; ++i) clock();
        if (dma_reset) return;
        Channel& channel = offset < 0x30 ? send : receive;
        switch (offset % 0x30) {
            case CONTROL:
                if (value & RESET) {  // of either channel resets both
                    send.active = receive.active = false;
                    model->s_axis_tvalid = 0;
                    dma_reset = RESET_CLOCKS;
                    return;
                }
                channel.control = (value & (ENABLES | RUN)) | ALWAYS;
                if (value & RUN) channel.status &= ~HALTED;
                else if (!channel.active) channel.status = (channel.status & ~IDLE) | HALTED;
                return;
            case STATUS: channel.status &= ~(value & IRQS); return;
            case ADDRESS: channel.address = (channel.address >> 32 << 32) | value; return;
            case ADDRESS_MSB:
                channel.address = (channel.address & 0xFFFFFFFF) | uint64_t{value} << 32;
                return;
            case LENGTH:
                if (&channel == &send && value > setup.lost_bytes) value -= setup.lost_bytes;
                start(channel, value);
                return;
        }
    }

    // Once up, a valid or ready stays until its handshake.
    void may_rise(uint8_t& line) {
        if (!line) line = !random.below(setup.stall);
    }

    // Both channels of a write come when they like.
    bool device_write(uint32_t address, uint32_t value, uint32_t strobe) {
        bool address_sent = false, data_sent = false, answered = false;
        const bool resets = address == 0x08 && strobe & 1;
        if (resets && value & 1) device_reset = true;
        model->s_axi_awaddr = static_cast<uint8_t>(address);
        model->s_axi_wdata = value;
        model->s_axi_wstrb = static_cast<uint8_t>(strobe);
        for (int i = 0; i < ANSWER_CLOCKS && !answered; ++i) {
            if (!address_sent) may_rise(model->s_axi_awvalid);
            if (!data_sent) may_rise(model->s_axi_wvalid);
            may_rise(model->s_axi_bready);
            model->aclk = 0;
            model->eval();
            const bool a = model->s_axi_awvalid && model->s_axi_awready;
            const bool d = model->s_axi_wvalid && model->s_axi_wready;
            answered = model->s_axi_bvalid && model->s_axi_bready;
            clock();
            address_sent |= a;
            data_sent |= d;
            if (a) model->s_axi_awvalid = 0;
            if (d) model->s_axi_wvalid = 0;
        }
        model->s_axi_bready = 0;
        if (resets) device_reset = value & 1;
        return answered && address_sent && data_sent;
    }

    bool device_read(uint32_t address, uint32_t* value) {
        bool sent = false, answered = false;
        model->s_axi_araddr = static_cast<uint8_t>(address);
        for (int i = 0; i < ANSWER_CLOCKS && !answered; ++i) {
            if (!sent) may_rise(model->s_axi_arvalid);
            may_rise(model->s_axi_rready);
            model->aclk = 0;
            model->eval();
            const bool a = model->s_axi_arvalid && model->s_axi_arready;
            answered = model->s_axi_rvalid && model->s_axi_rready;
            *value = model->s_axi_rdata;
            clock();
            sent |= a;
            if (a) model->s_axi_arvalid = 0;
        }
        model->s_axi_rready = 0;
        return answered && sent;
    }
};

Hardware* of(void* handle) { return static_cast<Hardware*>(handle); }

}  // namespace

BNNEDGE_EXPORT const char* axi_layout() {
#define FIELD(field) {#field, offsetof(Setup, field), sizeof(Setup::field)}
    static const std::string text = bnnedge::layout_text(
        "Setup", sizeof(Setup),
        {FIELD(memory_base), FIELD(memory_bytes), FIELD(seed), FIELD(stall), FIELD(burst_beats),
         FIELD(pause_clocks), FIELD(send_limit), FIELD(receive_limit), FIELD(lost_bytes)});
    return text.c_str();
}
BNNEDGE_EXPORT void* axi_open(const Setup* setup, const char* data_folder) {
    bnnedge::clear_messages();
    bnnedge::set_data_folder(data_folder);
    auto hardware = std::make_unique<Hardware>(*setup);
    if (!hardware->memory) return nullptr;
    hardware->context.randSeed(static_cast<int>(setup->seed) | 1);
    hardware->context.randReset(2);
    hardware->model = std::make_unique<Vmodel>(&hardware->context, "top");
    hardware->fall_silent();
    hardware->reset(RESET_CLOCKS);
    return hardware.release();
}

BNNEDGE_EXPORT void axi_close(void* handle) { delete of(handle); }
BNNEDGE_EXPORT uint8_t* axi_memory(void* handle) { return of(handle)->memory.get(); }
BNNEDGE_EXPORT uint64_t axi_clocks(void* handle) { return of(handle)->clocks; }

BNNEDGE_EXPORT uint32_t axi_dma_read(void* handle, uint32_t offset) {
    return of(handle)->dma_read(offset);
}

BNNEDGE_EXPORT void axi_dma_write(void* handle, uint32_t offset, uint32_t value) {
    of(handle)->dma_write(offset, value);
}

BNNEDGE_EXPORT void axi_reset(void* handle, uint64_t clocks) { of(handle)->reset(clocks); }

// 0: no answer came.
BNNEDGE_EXPORT int axi_device_read(void* handle, uint32_t address, uint32_t* value) {
    return of(handle)->device_read(address, value);
}

BNNEDGE_EXPORT int axi_device_write(void* handle, uint32_t address, uint32_t value,
                                    uint32_t strobe) {
    return of(handle)->device_write(address, value, strobe);
}

BNNEDGE_EXPORT void axi_run(void* handle, uint64_t clocks) {
    for (uint64_t i = 0; i < clocks && !of(handle)->context.gotFinish(); ++i) of(handle)->clock();
}

BNNEDGE_EXPORT int axi_failed() { return bnnedge::failed(); }
BNNEDGE_EXPORT const char* axi_messages() { return bnnedge::messages().c_str(); }
