"""Small CLIPs of transformers with a tokenizer of their own, as MetaCLIP 2 has one."""

import networks
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors, trainers

import small

SPECIAL = ["<s>", "<pad>", "</s>", "<unk>"]  # 0 to 3, as XLM-V has them
START_ID, PAD_ID, END_ID = 0, 1, 2
FOREIGN = ["ein großer roter Kreis", "un círculo rojo", "一个红色的圆", "красный круг"]
CAPTIONS = ["a red circle", *FOREIGN, "", "ﬁne &amp; “quoted”", "word " * 90]
SPARE = 5  # rows of the token table that the tokenizer never names


def tokenizer():
    """A Unigram tokenizer of the shipped captions and a few of other languages."""
    captions = (small.ROOT / small.EVALSET[1]).read_text("utf-8").splitlines()
    found = Tokenizer(models.Unigram())
    found.normalizer = normalizers.NFKC()
    found.pre_tokenizer = pre_tokenizers.Metaspace()
    trainer = trainers.UnigramTrainer(
        vocab_size=600, special_tokens=SPECIAL, unk_token="<unk>", show_progress=False
    )
    found.train_from_iterator([*captions, *(3 * FOREIGN)], trainer)
    ends = [(SPECIAL[number], number) for number in (START_ID, END_ID)]
    found.post_processor = processors.TemplateProcessing(single="<s> $A </s>", special_tokens=ends)
    return found


def save(folder, kind="MetaClip2"):
    """Save a random model of a class of transformers, and its tokenizer. Returns both."""
    import transformers

    own = tokenizer()
    special = {"bos_token": "<s>", "pad_token": "<pad>", "eos_token": "</s>", "unk_token": "<unk>"}
    fast = transformers.PreTrainedTokenizerFast(tokenizer_object=own, **special)
    text = {"vocab_size": own.get_vocab_size() + SPARE, "bos_token_id": START_ID}
    text |= {"eos_token_id": END_ID, "pad_token_id": PAD_ID, "hidden_act": "quick_gelu"}
    if kind == "CLIP":  # whose 2 says something else: the text ends with the token <pad> there
        text |= {"eos_token_id": PAD_ID}
        ends = [("<s>", START_ID), ("<pad>", PAD_ID)]
        fast.backend_tokenizer.post_processor = processors.TemplateProcessing(
            single="<s> $A <pad>", special_tokens=ends
        )
    config = networks.HUGGING_FACE | {"text_config": networks.SECTION | text}
    model = getattr(transformers, f"{kind}Model")(getattr(transformers, f"{kind}Config")(**config))
    networks.fill(model).save_pretrained(folder)
    fast.save_pretrained(folder)
    return model, fast
