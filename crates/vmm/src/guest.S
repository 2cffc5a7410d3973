# The guest: a serial monitor for a PC with one 16550A, in 16-bit real mode.
#
# It is written to be read as a good UART driver: it relies only on what it has tested, receives and transmits by
# interrupt, fills the transmitter in bursts, and holds input back when it has no room for it.
#
# The build assembles it (guest.rs) into read-only data of the host program; the machine copies it to linear address
# 0x10000 and starts it at offset 0 with CS = 0x1000. Code, data and stack share that one 64 KiB segment:
#
#   0x0000  code and constants, position independent: an address is always written as `label - g_0`, its offset from the
#           start, so that the program holds no relocation
#   0x4000  variables, rings, line and stack: the .equ addresses below
#
# Linear 0..0x3ff is the interrupt vector table of the real mode.
#
# Every label starts with g_, because this code is linked with compiled Rust, where a label named `write` would become the
# `write` of the whole program.

    .pushsection .rodata.vuart_guest, "a", @progbits
    .code16

# ---------------------------------------------------------------------------------------------- the UART's registers

    .equ G_COM1, 0x3f8
    .equ G_RBR, G_COM1 + 0          # read:  receiver buffer
    .equ G_THR, G_COM1 + 0          # write: transmitter holding register
    .equ G_DLL, G_COM1 + 0          # with DLAB: divisor, low byte
    .equ G_IER, G_COM1 + 1          # interrupt enable
    .equ G_DLM, G_COM1 + 1          # with DLAB: divisor, high byte
    .equ G_IIR, G_COM1 + 2          # read:  interrupt identification
    .equ G_FCR, G_COM1 + 2          # write: FIFO control
    .equ G_LCR, G_COM1 + 3          # line control
    .equ G_MCR, G_COM1 + 4          # modem control
    .equ G_LSR, G_COM1 + 5          # line status
    .equ G_MSR, G_COM1 + 6          # modem status
    .equ G_SCR, G_COM1 + 7          # scratch

    .equ G_IER_ERBFI, 0x01          # received data
    .equ G_IER_ETBEI, 0x02          # transmitter holding register empty
    .equ G_IER_ELSI, 0x04           # receiver line status
    .equ G_IER_EDSSI, 0x08          # modem status

    .equ G_IIR_NONE, 0x01           # no interrupt pending
    .equ G_IIR_ID, 0x0f             # the identification, of which exactly these five exist on a 16550A:
    .equ G_IIR_MS, 0x00             # modem status
    .equ G_IIR_THRE, 0x02           # transmitter holding register empty
    .equ G_IIR_RDA, 0x04            # received data available
    .equ G_IIR_RLS, 0x06            # receiver line status
    .equ G_IIR_CTI, 0x0c            # character timeout

    .equ G_LSR_DR, 0x01             # data ready
    .equ G_LSR_THRE, 0x20           # transmitter holding register empty
    .equ G_LSR_TEMT, 0x40           # transmitter empty, shift register included

    .equ G_LCR_8N1, 0x03
    .equ G_LCR_DLAB, 0x80
    .equ G_FCR_ENABLE, 0x01
    .equ G_FCR_CLEAR, 0x07          # enable, clear receiver and transmitter
    .equ G_FCR_RUN, 0x87            # the same, with the receiver's trigger at 8
    .equ G_MCR_RUN, 0x0b            # DTR, RTS, and OUT2, which on a PC gates the interrupt
    .equ G_MCR_LOOP, 0x10           # loopback
    .equ G_MCR_TEST, 0x1a           # loopback, OUT2 and RTS ...
    .equ G_MSR_TEST, 0x90           # ... which the modem status shows as DCD and CTS

    .equ G_FIFO, 16                 # depth of each FIFO of a 16550A

# ---------------------------------------------------------------------------------------------------- the PC around it

    .equ G_PIC1, 0x20               # the two 8259 interrupt controllers
    .equ G_PIC2, 0xa0
    .equ G_EOI, 0x20                # end of interrupt
    .equ G_VECTOR, 0x20             # IRQ 0..7 arrive at vectors 0x20..0x27, clear of the processor's own
    .equ G_PIT, 0x40                # the 8254 timer
    .equ G_PIT_DIVISOR, 59659       # 1193182 Hz / 59659 = 20 ticks a second
    .equ G_HZ, 20
    .equ G_POST, 0x80               # diagnostic port: the code on it tells the host why the guest gave up
    .equ G_I8042, 0x64              # keyboard controller's command port, and the command that
    .equ G_RESET, 0xfe              # pulses the processor's reset line
    .equ G_PM1_CONTROL, 0x604       # ACPI's power management, where a PC of QEMU has it,
    .equ G_POWER_OFF, 0x2000        # and the sleep that is no sleep: SLP_EN with the type of S5

# The codes for the diagnostic port (post.rs has their meanings).
    .equ G_POST_IER, 0xe1
    .equ G_POST_SCR, 0xe2
    .equ G_POST_LOOP, 0xe3
    .equ G_POST_IIR, 0xe4
    .equ G_POST_FIFO, 0xe5
    .equ G_POST_DEPTH, 0xe6
    .equ G_POST_FAULT, 0xef

# ------------------------------------------------------------------------------------------------------------- memory

    .equ G_VARIABLES, 0x4000
    .equ G_rx_head, 0x4000          # word: characters ever put into the receive ring (by the interrupt handler)
    .equ G_rx_tail, 0x4002          # word: characters ever taken from it (by the monitor)
    .equ G_tx_head, 0x4004          # word: characters ever put into the transmit ring (by the monitor)
    .equ G_tx_tail, 0x4006          # word: characters ever taken from it (by the interrupt handler)
    .equ G_rx_breaks, 0x4008        # word: how many of the characters in the receive ring are ^C
    .equ G_line_length, 0x400a      # word
    .equ G_number, 0x400c           # word: `print`, the line that is being printed
    .equ G_last, 0x400e             # word: `print`, the last one
    .equ G_ticks, 0x4010            # double word: timer interrupts so far
    .equ G_ier, 0x4014              # byte: what IER holds; reading it back would cost a port access each time
    .equ G_rx_held, 0x4015          # byte: 1 while the receive interrupt is off because the ring is full
    .equ G_after_cr, 0x4016         # byte: 1 when the last character was CR
    .equ G_escape, 0x4017           # byte: where we are in an escape sequence, G_ESCAPE_*
    .equ G_digits, 0x4020           # 10 bytes: a decimal number
    .equ G_registers, 0x4030        # 9 bytes: `regs`, the values
    .equ G_text, 0x4040             # 74 bytes: `print`, one line
    .equ G_VARIABLES_END, 0x4100

    .equ G_RX_RING, 0x4800
    .equ G_RX_SIZE, 0x400           # sizes of rings are powers of two: an index is a count & (size - 1)
    .equ G_TX_RING, 0x5000
    .equ G_TX_SIZE, 0x800
    .equ G_LINE, 0x6000
    .equ G_LINE_MAX, 8191
    .equ G_STACK_TOP, 0xfffe

    .equ G_ESCAPE_NO, 0             # not in a sequence
    .equ G_ESCAPE_ESC, 1            # after ESC
    .equ G_ESCAPE_CSI, 2            # after ESC [, up to a final byte 0x40..0x7e
    .equ G_ESCAPE_SS3, 3            # after ESC O, one more byte

    .equ G_CTRL_C, 0x03
    .equ G_BELL, 0x07
    .equ G_BS, 0x08
    .equ G_TAB, 0x09
    .equ G_LF, 0x0a
    .equ G_CR, 0x0d
    .equ G_CTRL_U, 0x15
    .equ G_ESC, 0x1b
    .equ G_DEL, 0x7f

    .equ G_PRINT_BODY, 60           # characters of the pattern in a line of `print`
    .equ G_PATTERN, 94              # its period: the graphic characters '!'..'~'

# Port access with the register's name in front. Both use AL and DX.
    .macro g_out port, value
    movw $\port, %dx
    movb $\value, %al
    outb %al, %dx
    .endm

    .macro g_in port
    movw $\port, %dx
    inb %dx, %al
    .endm

# -------------------------------------------------------------------------------------------------------------- start

    .globl vuart_guest_start
    .hidden vuart_guest_start
    .globl vuart_guest_end
    .hidden vuart_guest_end

vuart_guest_start:
g_0:
    cli
    cld
    movw %cs, %ax
    movw %ax, %ds
    movw %ax, %es
    movw %ax, %ss
    movw $G_STACK_TOP, %sp

    movw $G_VARIABLES, %di
    movw $(G_VARIABLES_END - G_VARIABLES), %cx
    xorb %al, %al
    rep stosb

    call g_vectors                  # first, so that a fault anywhere below is reported
    call g_detect
    testb %al, %al
    jnz g_give_up
    call g_uart_setup
    call g_timer_setup
    call g_controllers_setup
    # Last, so that the first interrupt finds everything in place.
    movb $(G_IER_ERBFI | G_IER_ELSI | G_IER_EDSSI), %al
    call g_set_ier
    sti

    movw $g_banner - g_0, %si
    call g_puts
    jmp g_monitor

# AL = the reason. Writes it to the diagnostic port for the host, and stops.
g_give_up:
    outb %al, $G_POST
g_reset:
    movb $G_RESET, %al
    outb %al, $G_I8042
1:  cli                             # real hardware takes a moment for the reset
    hlt
    jmp 1b

# ---------------------------------------------------------------------------------------------------------- detection

# Detects a 16550A. Returns AL = 0, or the G_POST_* code of the test that failed. Leaves the UART in loopback with all
# interrupts off, where g_uart_setup continues.
g_detect:
    # Only the low four bits of IER exist, and they hold what is written. An absent port, which reads 0xff everywhere,
    # ends here.
    movb $G_POST_IER, %ah
    g_out G_IER, 0x00
    inb %dx, %al
    testb $0x0f, %al
    jnz 9f
    g_out G_IER, 0x0f
    inb %dx, %al
    andb $0x0f, %al
    cmpb $0x0f, %al
    jne 9f
    g_out G_IER, 0x00

    # The scratch register holds any value (an 8250 has none). What was in it is put back.
    movb $G_POST_SCR, %ah
    g_in G_SCR
    movb %al, %bl
    g_out G_SCR, 0x5a
    inb %dx, %al
    cmpb $0x5a, %al
    jne 9f
    g_out G_SCR, 0xa5
    inb %dx, %al
    cmpb $0xa5, %al
    jne 9f
    movb %bl, %al
    outb %al, %dx

    # In loopback the modem outputs are the modem inputs.
    movb $G_POST_LOOP, %ah
    g_out G_MCR, G_MCR_TEST
    g_in G_MSR
    andb $0xf0, %al
    cmpb $G_MSR_TEST, %al
    jne 9f

    # With the FIFOs off bits 5:3 of IIR are 0; with them on bits 7:6 are 11. A 16550 without A says 10 there.
    movb $G_POST_IIR, %ah
    g_out G_FCR, 0x00
    g_in G_IIR
    testb $0x38, %al
    jnz 9f
    movb $G_POST_FIFO, %ah
    g_out G_FCR, G_FCR_ENABLE
    g_in G_IIR
    andb $0xc0, %al
    cmpb $0xc0, %al
    jne 9f

    # How deep is the receiver's FIFO? Send it more than it holds, in loopback, and count what is there. Divisor 1, so
    # that a UART with a real shift register needs 87 microseconds a character.
    movb $G_POST_DEPTH, %ah
    g_out G_LCR, G_LCR_DLAB
    g_out G_DLL, 1
    g_out G_DLM, 0
    g_out G_LCR, G_LCR_8N1
    g_out G_MCR, G_MCR_LOOP
    g_out G_FCR, G_FCR_CLEAR

    xorb %bl, %bl
1:  movb $G_LSR_THRE, %bh
    call g_wait_lsr
    jc 9f
    movw $G_THR, %dx
    movb %bl, %al
    outb %al, %dx
    incb %bl
    cmpb $(G_FIFO + 4), %bl
    jne 1b
    movb $G_LSR_TEMT, %bh
    call g_wait_lsr
    jc 9f

    # What is there must be the first 16 in order: an overrun costs the newest, never what is in the FIFO.
    xorb %bl, %bl
2:  g_in G_LSR
    testb $G_LSR_DR, %al
    jz 3f
    g_in G_RBR
    cmpb %bl, %al
    jne 9f
    incb %bl
    cmpb $G_FIFO, %bl
    jbe 2b
3:  cmpb $G_FIFO, %bl
    jne 9f

    xorb %al, %al
    ret
9:  movb %ah, %al
    ret

# Waits until a bit of BH is set in LSR. Sets carry if that does not happen, because a driver must not wait for ever.
g_wait_lsr:
    xorw %cx, %cx                   # 65536 looks
    movw $G_LSR, %dx
1:  inb %dx, %al
    testb %bh, %al
    loopz 1b
    jnz 2f
    stc
    ret
2:  clc
    ret

# -------------------------------------------------------------------------------------------------------------- setup

g_uart_setup:
    # The UART is still in loopback, where no input from outside arrives. So clearing the FIFO discards characters of the
    # test, and not input. Divisor 1 (115200) and 8N1 are already set, but a driver sets what it needs.
    g_out G_IER, 0
    g_out G_LCR, (G_LCR_8N1 | G_LCR_DLAB)
    g_out G_DLL, 1
    g_out G_DLM, 0
    g_out G_LCR, G_LCR_8N1
    g_out G_FCR, G_FCR_RUN
    g_in G_LSR                      # clear errors
    g_out G_MCR, G_MCR_RUN          # leave loopback, which changes the modem inputs
    g_in G_MSR                      # clear that change
    ret

# The divisor makes IRQ 0 come 20 times a second. Mode 2, low byte then high byte.
g_timer_setup:
    movb $0x34, %al
    outb %al, $(G_PIT + 3)
    movb $(G_PIT_DIVISOR & 0xff), %al
    outb %al, $G_PIT
    movb $(G_PIT_DIVISOR >> 8), %al
    outb %al, $G_PIT
    ret

# Both 8259s: edge triggered, cascaded at IRQ 2, vectors from 0x20, only IRQ 0 (timer) and IRQ 4 (COM1) let through.
g_controllers_setup:
    movb $0x11, %al                 # ICW1: four words follow, edge triggered
    outb %al, $G_PIC1
    outb %al, $G_PIC2
    movb $G_VECTOR, %al             # ICW2: the vectors
    outb %al, $(G_PIC1 + 1)
    movb $(G_VECTOR + 8), %al
    outb %al, $(G_PIC2 + 1)
    movb $0x04, %al                 # ICW3: the second one hangs on IRQ 2
    outb %al, $(G_PIC1 + 1)
    movb $0x02, %al
    outb %al, $(G_PIC2 + 1)
    movb $0x01, %al                 # ICW4: 8086 mode, we say when an interrupt ends
    outb %al, $(G_PIC1 + 1)
    outb %al, $(G_PIC2 + 1)
    movb $0xee, %al                 # mask: all but 0 and 4
    outb %al, $(G_PIC1 + 1)
    movb $0xff, %al
    outb %al, $(G_PIC2 + 1)
    ret

# The vector table: faults report themselves, stray interrupts (the 8259 has them) return.
g_vectors:
    xorw %ax, %ax
    movw %ax, %es
    xorw %di, %di
    movw $g_fault - g_0, %ax
    movw $32, %cx
    call 1f
    movw $g_stray - g_0, %ax
    movw $(256 - 32), %cx
    call 1f
    movw $((G_VECTOR + 0) * 4), %di
    movw $g_timer_interrupt - g_0, %ax
    movw $1, %cx
    call 1f
    movw $((G_VECTOR + 4) * 4), %di
    movw $g_uart_interrupt - g_0, %ax
    movw $1, %cx
    call 1f
    movw %ds, %ax
    movw %ax, %es
    ret
1:  stosw                           # CX vectors from ES:DI on, to AX in our segment
    movw %cs, %es:(%di)
    addw $2, %di
    loop 1b
    ret

g_fault:
    movb $G_POST_FAULT, %al
    jmp g_give_up

g_stray:
    iretw

# --------------------------------------------------------------------------------------------------------- interrupts
#
# Everything runs in one segment, so the handlers find DS and ES as they need them. An interrupt handler runs with
# interrupts off; only it moves rx_head and tx_tail, only the monitor moves the other two ends, and a 16-bit counter is
# read and written in one instruction, so the rings need no lock. What both sides change (ier) the monitor changes with
# interrupts off.

g_timer_interrupt:
    pushw %ax
    incl G_ticks
    movb $G_EOI, %al
    outb %al, $G_PIC1
    popw %ax
    iretw

# The 8259 reacts to edges, and the UART's line stays high while anything is pending. So the handler must not return before
# the UART reports "nothing pending". Otherwise the line never falls, no further edge comes, and the port is dead.
g_uart_interrupt:
    pushaw
g_pending:
    g_in G_IIR
    testb $G_IIR_NONE, %al
    jnz 1f
    andb $G_IIR_ID, %al
    cmpb $G_IIR_RDA, %al
    je g_receive
    cmpb $G_IIR_CTI, %al
    je g_receive
    cmpb $G_IIR_THRE, %al
    je g_transmit
    cmpb $G_IIR_RLS, %al
    je g_line_status
    cmpb $G_IIR_MS, %al
    je g_modem_status
    # A 16550A has no other interrupt, so how to clear this one is unknown.
1:  movb $G_EOI, %al
    outb %al, $G_PIC1
    popaw
    iretw

# Reading the register clears the interrupt. Its value does not matter here: a character with an error is taken as it is,
# and there is no modem.
g_line_status:
    g_in G_LSR
    jmp g_pending

g_modem_status:
    g_in G_MSR
    jmp g_pending

# Take characters until the FIFO is empty. If the ring is full before that, turn the interrupt off and leave the rest in
# the FIFO. The FIFO fills, and the device then holds the sender back. g_getc turns the interrupt on again.
g_receive:
    g_in G_LSR
    testb $G_LSR_DR, %al
    jz g_pending
    movw G_rx_head, %bx
    movw %bx, %cx
    subw G_rx_tail, %cx
    cmpw $G_RX_SIZE, %cx
    je 1f
    g_in G_RBR
    andw $(G_RX_SIZE - 1), %bx
    movb %al, G_RX_RING(%bx)
    incw G_rx_head
    cmpb $G_CTRL_C, %al
    jne g_receive
    incw G_rx_breaks
    jmp g_receive
1:  movb $1, G_rx_held
    movb G_ier, %al
    andb $~G_IER_ERBFI, %al
    call g_set_ier
    jmp g_pending

# The transmitter is empty, and takes a full FIFO at once. Reading IIR has already cleared the interrupt; the next one
# comes when the FIFO is empty again. If nothing is left to send, the interrupt is turned off. g_tx_start turns it on
# again, which raises it if the transmitter is empty.
g_transmit:
    movw $G_FIFO, %bx               # room in the FIFO
1:  movw G_tx_head, %cx
    movw G_tx_tail, %si
    subw %si, %cx                   # CX = how many wait. Take no more than
    jz 3f
    andw $(G_TX_SIZE - 1), %si
    movw $G_TX_SIZE, %ax            # ... are before the ring's end
    subw %si, %ax
    cmpw %ax, %cx
    jbe 2f
    movw %ax, %cx
2:  cmpw %bx, %cx                   # ... fit into the FIFO
    jbe 2f
    movw %bx, %cx
2:  addw %cx, G_tx_tail
    subw %cx, %bx
    addw $G_TX_RING, %si
    movw $G_THR, %dx
    rep outsb
    testw %bx, %bx
    jnz 1b                          # the second part of a burst around the ring's end, or nothing left
    movw G_tx_head, %ax
    cmpw G_tx_tail, %ax
    jne g_pending
3:  movb G_ier, %al
    andb $~G_IER_ETBEI, %al
    call g_set_ier
    jmp g_pending

# AL = the new IER. With interrupts off.
g_set_ier:
    movb %al, G_ier
    movw $G_IER, %dx
    outb %al, %dx
    ret

# ------------------------------------------------------------------------------------------------ input and output
#
# Output is put into the ring. It is sent when the monitor has to wait (for input, room or the transmitter) or the ring is
# full, so that it leaves in full bursts.
#
# Waiting always means: interrupts off, look, `sti; hlt`. The processor takes no interrupt between these two instructions,
# so the interrupt that ends the wait can't come between the look and the halt.

# Returns AL = the next character, as soon as there is one. Keeps SI, DI, CX.
g_getc:
    movw G_rx_tail, %bx
    cmpw G_rx_head, %bx
    jne 2f
    call g_tx_start
    cli
    cmpw G_rx_head, %bx
    jne 1f
    sti
    hlt
    jmp g_getc
1:  sti
2:  andw $(G_RX_SIZE - 1), %bx
    movb G_RX_RING(%bx), %al
    incw G_rx_tail
    cmpb $G_CTRL_C, %al
    jne 3f
    decw G_rx_breaks
3:  cmpb $0, G_rx_held
    je 4f
    # The receive interrupt is off. It is turned on when half of the ring is free. At the first free place it would be one
    # interrupt for each character. Characters that the UART holds by then raise the interrupt again.
    movw G_rx_head, %bx
    subw G_rx_tail, %bx
    cmpw $(G_RX_SIZE / 2), %bx
    ja 4f
    pushw %ax
    pushw %dx
    cli
    movb $0, G_rx_held
    movb G_ier, %al
    orb $G_IER_ERBFI, %al
    call g_set_ier
    sti
    popw %dx
    popw %ax
4:  ret

# Sends what is in the ring: turns the transmitter's interrupt on, if it is not on.
g_tx_start:
    pushw %ax
    pushw %dx
    cli
    movw G_tx_head, %ax
    cmpw G_tx_tail, %ax
    je 1f
    movb G_ier, %al
    testb $G_IER_ETBEI, %al
    jnz 1f
    orb $G_IER_ETBEI, %al
    call g_set_ier
1:  sti
    popw %dx
    popw %ax
    ret

# Waits until the transmitter has taken all output.
g_tx_drain:
    call g_tx_start
1:  cli
    movw G_tx_head, %ax
    cmpw G_tx_tail, %ax
    je 2f
    sti
    hlt
    jmp 1b
2:  sti
    ret

# Writes CX bytes from SI. Uses all registers but BP.
g_write:
    jcxz 9f
    movw G_tx_head, %di
    movw %di, %ax
    subw G_tx_tail, %ax             # AX = used
    movw $G_TX_SIZE, %bx
    subw %ax, %bx                   # BX = free
    jz 5f
    andw $(G_TX_SIZE - 1), %di
    movw $G_TX_SIZE, %ax
    subw %di, %ax                   # AX = up to the ring's end
    cmpw %ax, %bx
    jbe 1f
    movw %ax, %bx
1:  cmpw %cx, %bx
    jbe 1f
    movw %cx, %bx
1:  addw $G_TX_RING, %di
    movw %cx, %dx
    movw %bx, %cx
    rep movsb
    addw %bx, G_tx_head             # last: the handler may only send bytes that are in the ring
    movw %dx, %cx
    subw %bx, %cx
    jmp g_write
5:  call g_tx_start
    cli
    movw G_tx_head, %ax
    subw G_tx_tail, %ax
    cmpw $G_TX_SIZE, %ax
    jne 6f
    sti
    hlt
    jmp g_write
6:  sti
    jmp g_write
9:  ret

# Writes the zero-terminated text at SI. Returns SI behind the zero.
g_puts:
    movw %si, %di
    xorb %al, %al
    movw $-1, %cx
    repne scasb
    movw %di, %cx
    pushw %cx
    decw %cx
    subw %si, %cx
    call g_write
    popw %si
    ret

# Writes EAX in decimal.
g_put_decimal:
    movw $(G_digits + 10), %si
    movl $10, %ebx
1:  xorl %edx, %edx
    divl %ebx
    addb $'0', %dl
    decw %si
    movb %dl, (%si)
    testl %eax, %eax
    jnz 1b
    movw $(G_digits + 10), %cx
    subw %si, %cx
    jmp g_write

# Writes AL in two hexadecimal digits.
g_put_hex:
    movb %al, %ah
    shrb $4, %al
    andb $0x0f, %ah
    movw $2, %cx
    movw $G_digits, %di
1:  addb $'0', %al
    cmpb $'9', %al
    jbe 2f
    addb $('A' - '0' - 10), %al
2:  stosb
    xchgb %al, %ah
    loop 1b
    movw $G_digits, %si
    movw $2, %cx
    jmp g_write

# -------------------------------------------------------------------------------------------------------- line editing

g_monitor:
    movw $g_prompt - g_0, %si
    call g_puts
    movw $0, G_line_length
    movb $G_ESCAPE_NO, G_escape

g_edit:
    call g_getc
    xorb %ah, %ah                   # AH = was the last one CR?
    xchgb %ah, G_after_cr
    cmpb $G_DEL, %al
    je g_edit_erase
    cmpb $' ', %al
    jb g_edit_control

    movb G_escape, %ah
    cmpb $G_ESCAPE_NO, %ah
    je g_edit_take
    # In an escape sequence. Keys send `ESC [ ... final` and `ESC O x`; any other `ESC x` is two characters.
    cmpb $G_ESCAPE_ESC, %ah
    je 1f
    cmpb $G_ESCAPE_SS3, %ah
    je 2f
    cmpb $0x40, %al
    jb g_edit                       # parameters
    jmp 2f
1:  movb $G_ESCAPE_CSI, %ah
    cmpb $'[', %al
    je 3f
    movb $G_ESCAPE_SS3, %ah
    cmpb $'O', %al
    je 3f
2:  movb $G_ESCAPE_NO, %ah
3:  movb %ah, G_escape
    jmp g_edit

g_edit_take:
    movw G_line_length, %bx
    cmpw $G_LINE_MAX, %bx
    je g_edit_full
    movb %al, G_LINE(%bx)
    incw G_line_length
    leaw G_LINE(%bx), %si           # echo
    movw $1, %cx
    call g_write
    jmp g_edit
g_edit_full:
    movw $g_bell - g_0, %si
    call g_puts
    jmp g_edit

# A control character also ends an escape sequence.
g_edit_control:
    movb $G_ESCAPE_NO, G_escape
    cmpb $G_CR, %al
    je g_edit_cr
    cmpb $G_LF, %al
    je g_edit_lf
    cmpb $G_BS, %al
    je g_edit_erase
    cmpb $G_CTRL_U, %al
    je g_edit_kill
    cmpb $G_CTRL_C, %al
    je g_edit_abandon
    cmpb $G_ESC, %al
    je g_edit_escape
    cmpb $G_TAB, %al
    jne g_edit
    movb $' ', %al                  # in pasted text; a space keeps the words apart
    jmp g_edit_take

g_edit_escape:
    movb $G_ESCAPE_ESC, G_escape
    jmp g_edit

g_edit_cr:
    movb $1, G_after_cr
    jmp g_edit_end
g_edit_lf:
    testb %ah, %ah                  # LF after CR is part of CR LF
    jnz g_edit
g_edit_end:
    movw $g_newline - g_0, %si
    call g_puts
    call g_command
    jmp g_monitor

g_edit_erase:
    movb $G_ESCAPE_NO, G_escape
    call g_erase
    jmp g_edit

g_edit_kill:
    cmpw $0, G_line_length
    je g_edit
    call g_erase
    jmp g_edit_kill

g_edit_abandon:
    movw $g_interrupted - g_0, %si
    call g_puts
    jmp g_monitor

# Removes the last character from the line and the screen, if there is one. A UTF-8 sequence is one character; its
# continuation bytes are 10xxxxxx.
g_erase:
    movw G_line_length, %bx
    testw %bx, %bx
    jz 3f
1:  decw %bx
    movb G_LINE(%bx), %al
    andb $0xc0, %al
    cmpb $0x80, %al
    jne 2f
    testw %bx, %bx
    jnz 1b
2:  movw %bx, G_line_length
    movw $g_rubout - g_0, %si
    call g_puts
3:  ret

# ----------------------------------------------------------------------------------------------------------- commands

# Runs the line. A command is called with SI = the text after its name, and DX = the length of that text.
g_command:
    movw $G_LINE, %si
    movw G_line_length, %dx
    call g_skip_spaces
    testw %dx, %dx
    jz 9f
    # BX = the name's length
    xorw %bx, %bx
1:  movw %si, %di
    addw %bx, %di
    cmpb $' ', (%di)
    je 2f
    incw %bx
    cmpw %dx, %bx
    jne 1b
2:  movw $g_commands - g_0, %bp
3:  xorw %cx, %cx
    movb (%bp), %cl             # the entry: length, name, handler
    jcxz g_unknown
    incw %bp
    movw %bp, %di
    addw %cx, %bp
    addw $2, %bp
    cmpw %cx, %bx
    jne 3b
    pushw %si
    repe cmpsb
    popw %si
    jne 3b
    addw %bx, %si
    subw %bx, %dx
    jmpw *-2(%bp)
9:  ret

g_unknown:
    movw %bx, %cx
    call g_write
    movw $g_text_unknown - g_0, %si
    jmp g_puts

# SI, DX: the rest of the line, without its leading spaces.
g_skip_spaces:
    testw %dx, %dx
    jz 1f
    cmpb $' ', (%si)
    jne 1f
    incw %si
    decw %dx
    jmp g_skip_spaces
1:  ret

# The same without the trailing ones.
g_trim_spaces:
    call g_skip_spaces
1:  testw %dx, %dx
    jz 2f
    movw %si, %bx
    addw %dx, %bx
    cmpb $' ', -1(%bx)
    jne 2f
    decw %dx
    jmp 1b
2:  ret

g_help:
    movw $g_text_help - g_0, %si
    jmp g_puts

# Prints everything after the one space behind the name, unchanged.
g_echo:
    testw %dx, %dx
    jz 1f
    incw %si
    decw %dx
    movw %dx, %cx
    call g_write
1:  movw $g_newline - g_0, %si
    jmp g_puts

g_print:
    call g_trim_spaces
    pushw %si
    pushw %dx
    # AX = the number
    xorw %ax, %ax
    movw %dx, %cx
    jcxz 8f
1:  movw $10, %bx
    mulw %bx
    jo 8f                           # above 65535
    movzbw (%si), %bx
    incw %si
    subb $'0', %bl
    jb 8f
    cmpb $9, %bl
    ja 8f
    addw %bx, %ax
    jc 8f
    loop 1b
    addw $4, %sp
    movw %ax, G_last
    movw $0, G_number

2:  movw G_number, %ax
    cmpw G_last, %ax
    je 9f
    incw G_number
    call g_print_line
    cmpw $0, G_rx_breaks            # ^C?
    je 2b
    # As on any terminal, ^C also discards what was typed before it.
3:  call g_getc
    cmpb $G_CTRL_C, %al
    jne 3b
    movw $g_interrupted - g_0, %si
    jmp g_puts

8:  movw $g_text_not_a_number_1 - g_0, %si
    call g_puts
    popw %cx
    popw %si
    call g_write
    movw $g_text_not_a_number_2 - g_0, %si
    jmp g_puts
9:  ret

# Prints `line 00042: ` and 60 graphic characters, which start one later in each line: 72 columns.
g_print_line:
    movw $G_text, %di
    movw $g_text_line - g_0, %si
    movw $5, %cx
    rep movsb
    movw G_number, %ax
    movw $10, %bx
    movw $5, %cx
    addw $4, %di
1:  xorw %dx, %dx
    divw %bx
    addb $'0', %dl
    movb %dl, (%di)
    decw %di
    loop 1b
    addw $6, %di
    movw $(':' | ' ' << 8), %ax
    stosw
    movw G_number, %ax
    xorw %dx, %dx
    movw $G_PATTERN, %bx
    divw %bx
    movw $g_pattern - g_0, %si
    addw %dx, %si
    movw $G_PRINT_BODY, %cx
    rep movsb
    movw $(G_CR | G_LF << 8), %ax
    stosw
    movw $G_text, %si
    movw $74, %cx
    jmp g_write

g_uptime:
    cli                             # the timer must not change a double word while it is read
    movl G_ticks, %ebp
    sti
    movl %ebp, %eax
    call g_put_decimal
    movw $g_text_ticks - g_0, %si
    call g_puts
    movl %ebp, %eax
    xorl %edx, %edx
    movl $G_HZ, %ebx
    divl %ebx
    call g_put_decimal
    movw $g_text_seconds - g_0, %si
    jmp g_puts

# Reading registers has effects. Reading IIR may clear THRE, so everything is sent first, which leaves that interrupt off.
# No interrupt handler may run between the first and the last access, because DLAB is on for a while.
g_regs:
    call g_tx_drain
    movw $G_registers, %di
    cli
    movw $G_IER, %dx
1:  inb %dx, %al                    # IER, IIR, LCR, MCR, LSR, MSR, SCR
    stosb
    incw %dx
    cmpw $G_SCR, %dx
    jbe 1b
    movw $G_LCR, %dx
    movb (G_registers + 2), %bl
    movb %bl, %al
    orb $G_LCR_DLAB, %al
    outb %al, %dx
    g_in G_DLL
    stosb
    g_in G_DLM
    stosb
    movw $G_LCR, %dx
    movb %bl, %al
    outb %al, %dx
    sti
    movw $g_text_registers - g_0, %si
    movw $G_registers, %bp
2:  call g_puts                     # the name
    movb (%bp), %al
    pushw %si
    call g_put_hex
    popw %si
    call g_puts                     # what it is
    incw %bp
    cmpw $(G_registers + 9), %bp
    jne 2b
    ret

g_halt:
    movw $g_text_halting - g_0, %si
    call g_last_words
    movw $G_PM1_CONTROL, %dx
    movw $G_POWER_OFF, %ax
    outw %ax, %dx
1:  cli
    hlt
    jmp 1b

g_reboot:
    movw $g_text_rebooting - g_0, %si
    call g_last_words
    jmp g_reset

# Writes the text at SI. The transmitter must have sent its last character before the machine ends. There is no interrupt
# for this, so look at each tick of the timer.
g_last_words:
    call g_puts
    call g_tx_drain
1:  g_in G_LSR
    testb $G_LSR_TEMT, %al
    jnz 2f
    hlt
    jmp 1b
2:  ret

# --------------------------------------------------------------------------------------------------------------- texts

    .macro g_entry name, handler
    .byte 2f - 1f
1:  .ascii "\name"
2:  .word \handler - g_0
    .endm

g_commands:
    g_entry help, g_help
    g_entry echo, g_echo
    g_entry print, g_print
    g_entry uptime, g_uptime
    g_entry regs, g_regs
    g_entry halt, g_halt
    g_entry reboot, g_reboot
    .byte 0

g_banner:
    .ascii "\r\nvuart monitor: 16550A at 0x3F8, IRQ 4, 115200 8N1\r\n"
    .asciz "Type 'help' for the commands.\r\n"
g_prompt:
    .asciz "> "
g_newline:
    .asciz "\r\n"
g_bell:
    .byte G_BELL, 0
g_rubout:
    .asciz "\b \b"
g_interrupted:
    .asciz "^C\r\n"

g_text_help:
    .ascii "help         this list\r\n"
    .ascii "echo TEXT    say TEXT, exactly\r\n"
    .ascii "print N      print N numbered lines, up to 65535; ^C stops it\r\n"
    .ascii "uptime       time since the start\r\n"
    .ascii "regs         registers of the UART\r\n"
    .ascii "halt         stop the machine\r\n"
    .ascii "reboot       start the machine again\r\n"
    .asciz "Keys: backspace erases, ^U erases the line, ^C abandons it.\r\n"
g_text_unknown:
    .asciz ": unknown command; try 'help'\r\n"
g_text_not_a_number_1:
    .asciz "print: '"
g_text_not_a_number_2:
    .asciz "' is not a number from 0 to 65535\r\n"
g_text_ticks:
    .asciz " ticks, "
g_text_seconds:
    .asciz " seconds\r\n"
g_text_halting:
    .asciz "halting\r\n"
g_text_rebooting:
    .asciz "rebooting\r\n"
g_text_registers:
    .asciz "IER ", "  interrupt enable\r\n"
    .asciz "IIR ", "  interrupt identification\r\n"
    .asciz "LCR ", "  line control\r\n"
    .asciz "MCR ", "  modem control\r\n"
    .asciz "LSR ", "  line status\r\n"
    .asciz "MSR ", "  modem status\r\n"
    .asciz "SCR ", "  scratch\r\n"
    .asciz "DLL ", "  divisor, low byte\r\n"
    .asciz "DLM ", "  divisor, high byte\r\n"
g_text_line:
    .ascii "line "
# The pattern, long enough for a line that starts anywhere in it.
g_pattern:
    .ascii "!\"#$%&'()*+,-./0123456789:;<=>?@ABCDEFGHIJKLMNOPQRSTUVWXYZ[\\]^_`abcdefghijklmnopqrstuvwxyz{|}~"
    .ascii "!\"#$%&'()*+,-./0123456789:;<=>?@ABCDEFGHIJKLMNOPQRSTUVWXYZ[\\"

vuart_guest_end:

    .purgem g_out
    .purgem g_in
    .purgem g_entry
    .code64
    .popsection
