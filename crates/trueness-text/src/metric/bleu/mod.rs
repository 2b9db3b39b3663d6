//! BLEU.
