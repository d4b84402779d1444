"""Words with different stress or final syllables as noun and as verb."""

# Word and phonemes as noun or adjective | phonemes as verb | the more frequent one
_TABLE = """
    record     R EH1 K ER0 D            | R IH0 K AO1 R D            | noun
    present    P R EH1 Z AH0 N T        | P R IY0 Z EH1 N T          | noun
    object     AA1 B JH EH0 K T         | AH0 B JH EH1 K T           | noun
    subject    S AH1 B JH IH0 K T       | S AH0 B JH EH1 K T         | noun
    project    P R AA1 JH EH0 K T       | P R AH0 JH EH1 K T         | noun
    permit     P ER1 M IH2 T            | P ER0 M IH1 T              | verb
    contract   K AA1 N T R AE2 K T      | K AH0 N T R AE1 K T        | noun
    conduct    K AA1 N D AH0 K T        | K AH0 N D AH1 K T          | noun
    conflict   K AA1 N F L IH0 K T      | K AH0 N F L IH1 K T        | noun
    contest    K AA1 N T EH0 S T        | K AH0 N T EH1 S T          | noun
    contrast   K AA1 N T R AE0 S T      | K AH0 N T R AE1 S T        | noun
    convert    K AA1 N V ER0 T          | K AH0 N V ER1 T            | verb
    convict    K AA1 N V IH0 K T        | K AH0 N V IH1 K T          | noun
    increase   IH1 N K R IY2 S          | IH2 N K R IY1 S            | verb
    decrease   D IY1 K R IY2 S          | D IH0 K R IY1 S            | verb
    import     IH1 M P AO2 R T          | IH2 M P AO1 R T            | noun
    extract    EH1 K S T R AE2 K T      | IH0 K S T R AE1 K T        | verb
    insert     IH1 N S ER2 T            | IH2 N S ER1 T              | verb
    insult     IH1 N S AH2 L T          | IH2 N S AH1 L T            | noun
    perfect    P ER1 F IH2 K T          | P ER0 F EH1 K T            | noun
    produce    P R OW1 D UW0 S          | P R AH0 D UW1 S            | verb
    progress   P R AA1 G R EH2 S        | P R AH0 G R EH1 S          | noun
    protest    P R OW1 T EH2 S T        | P R AH0 T EH1 S T          | noun
    rebel      R EH1 B AH0 L            | R IH0 B EH1 L              | noun
    refund     R IY1 F AH2 N D          | R IH0 F AH1 N D            | noun
    refuse     R EH1 F Y UW2 Z          | R AH0 F Y UW1 Z            | verb
    reject     R IY1 JH EH0 K T         | R IH0 JH EH1 K T           | verb
    survey     S ER1 V EY2              | S ER0 V EY1                | noun
    suspect    S AH1 S P EH2 K T        | S AH0 S P EH1 K T          | verb
    transfer   T R AE1 N S F ER0        | T R AE0 N S F ER1          | noun
    transport  T R AE1 N S P AO0 R T    | T R AE0 N S P AO1 R T      | noun
    discount   D IH1 S K AW0 N T        | D IH0 S K AW1 N T          | noun
    escort     EH1 S K AO0 R T          | EH0 S K AO1 R T            | noun
    digest     D AY1 JH EH0 S T         | D AY0 JH EH1 S T           | verb
    combine    K AA1 M B AY0 N          | K AH0 M B AY1 N            | verb
    compound   K AA1 M P AW0 N D        | K AH0 M P AW1 N D          | noun
    upset      AH1 P S EH2 T            | AH0 P S EH1 T              | verb
    update     AH1 P D EY2 T            | AH0 P D EY1 T              | noun
    upgrade    AH1 P G R EY1 D          | AH0 P G R EY1 D            | noun
    attribute  AE1 T R AH0 B Y UW2 T    | AH0 T R IH1 B Y UW2 T      | noun
    address    AE1 D R EH2 S            | AH0 D R EH1 S              | noun
    defect     D IY1 F EH0 K T          | D IH0 F EH1 K T            | noun
    abuse      AH0 B Y UW1 S            | AH0 B Y UW1 Z              | noun
    misuse     M IH0 S Y UW1 S          | M IH0 S Y UW1 Z            | noun
    desert     D EH1 Z ER0 T            | D IH0 Z ER1 T              | noun
    separate   S EH1 P ER0 IH0 T        | S EH1 P ER0 EY2 T          | noun
    estimate   EH1 S T AH0 M AH0 T      | EH1 S T AH0 M EY2 T        | noun
    graduate   G R AE1 JH AH0 W AH0 T   | G R AE1 JH AH0 W EY2 T     | noun
    deliberate D IH0 L IH1 B ER0 AH0 T  | D IH0 L IH1 B ER0 EY2 T    | noun
    duplicate  D UW1 P L AH0 K AH0 T    | D UW1 P L AH0 K EY2 T      | noun
    alternate  AO1 L T ER0 N AH0 T      | AO1 L T ER0 N EY2 T        | noun
    moderate   M AA1 D ER0 AH0 T        | M AA1 D ER0 EY2 T          | noun
    associate  AH0 S OW1 S IY0 AH0 T    | AH0 S OW1 S IY0 EY2 T      | noun
    advocate   AE1 D V AH0 K AH0 T      | AE1 D V AH0 K EY2 T        | noun
    coordinate K OW0 AO1 R D AH0 N AH0 T| K OW0 AO1 R D AH0 N EY2 T  | verb
    elaborate  IH0 L AE1 B R AH0 T      | IH0 L AE1 B ER0 EY2 T      | noun
    export     EH1 K S P AO0 R T        | IH0 K S P AO1 R T          | noun
    exploit    EH1 K S P L OY2 T        | EH2 K S P L OY1 T          | verb
    construct  K AA1 N S T R AH0 K T    | K AH0 N S T R AH1 K T      | verb
    compress   K AA1 M P R EH0 S        | K AH0 M P R EH1 S          | verb
    compact    K AA1 M P AE0 K T        | K AH0 M P AE1 K T          | noun
    converse   K AA1 N V ER0 S          | K AH0 N V ER1 S            | verb
    combat     K AA1 M B AE0 T          | K AH0 M B AE1 T            | noun
    addict     AE1 D IH0 K T            | AH0 D IH1 K T              | noun
    ally       AE1 L AY0                | AH0 L AY1                  | noun
    incline    IH1 N K L AY0 N          | IH0 N K L AY1 N            | noun
    incense    IH1 N S EH2 N S          | IH2 N S EH1 N S            | noun
    impact     IH1 M P AE0 K T          | IH2 M P AE1 K T            | noun
    imprint    IH1 M P R IH0 N T        | IH2 M P R IH1 N T          | noun
    recall     R IY1 K AO2 L            | R IH0 K AO1 L              | verb
    recount    R IY1 K AW2 N T          | R IH0 K AW1 N T            | verb
    relay      R IY1 L EY2              | R IY0 L EY1                | noun
    replay     R IY1 P L EY2            | R IY0 P L EY1              | noun
    torment    T AO1 R M EH2 N T        | T AO0 R M EH1 N T          | noun
    transplant T R AE1 N S P L AE2 N T  | T R AE0 N S P L AE1 N T    | noun
    segment    S EH1 G M AH0 N T        | S EH0 G M EH1 N T          | noun
    intimate   IH1 N T AH0 M AH0 T      | IH1 N T AH0 M EY2 T        | noun
    appropriate AH0 P R OW1 P R IY0 AH0 T | AH0 P R OW1 P R IY0 EY2 T | noun
    approximate AH0 P R AA1 K S AH0 M AH0 T | AH0 P R AA1 K S AH0 M EY2 T | noun
    animate    AE1 N AH0 M AH0 T        | AE1 N AH0 M EY2 T          | verb
    delegate   D EH1 L AH0 G AH0 T      | D EH1 L AH0 G EY2 T        | noun
    aggregate  AE1 G R AH0 G AH0 T      | AE1 G R AH0 G EY2 T        | noun
    articulate AA0 R T IH1 K Y AH0 L AH0 T | AA0 R T IH1 K Y AH0 L EY2 T | verb
    initiate   IH0 N IH1 SH IY0 AH0 T   | IH0 N IH1 SH IY0 EY2 T     | verb
"""


def _entries() -> dict[str, tuple[tuple[str, ...], tuple[str, ...], str]]:
    entries = {}
    for line in _TABLE.strip().splitlines():
        noun, verb, default = line.split("|")
        word, *phonemes = noun.split()
        entries[word] = (tuple(phonemes), tuple(verb.split()), default.strip())
    return entries


# Word: phonemes as noun or adjective, phonemes as verb, and which of them is the default
NOUN_OR_VERB = _entries()
